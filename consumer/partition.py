"""Which partition an organisation's events belong to. Pure; the formula is part of the public contract.

A platform in another language may compute the header itself, so neither the hash nor the reduction may ever change.
"""

import hashlib

from consumer.names import partition_name


def partition_of(organization: str, partitions: int) -> str:
    """The partition of an organisation: ``int(md5(organizationid).hexdigest()[:8], 16) % partitions``, two digits.

    MD5 spreads, it protects nothing; it is chosen because every language has it. Raises ValueError unless
    ``partitions`` is at least 1.
    """
    if partitions < 1:
        raise ValueError("the number of partitions must be at least 1")
    digest = hashlib.md5(organization.encode("utf-8"), usedforsecurity=False).digest()
    return partition_name(int.from_bytes(digest[:4], "big") % partitions)
