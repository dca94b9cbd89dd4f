"""Which names may be asked for: what tenants enter and what records of strangers refer to both end up here."""

import re
from typing import Final

from config.addresses import host_name

_LABEL: Final = re.compile(r"[a-z0-9_-]{1,63}")
_NUMERIC: Final = re.compile(r"[0-9]+")
_LONGEST: Final = 253

# Answers about these come from the operator's own network, which is nobody else's business: RFC 6761, RFC 6762,
# RFC 7686, RFC 8375, RFC 9476, ".internal" as ICANN reserved it in 2024, and what intranets use all the same.
_NOT_PUBLIC: Final = frozenset(
    {"alt", "arpa", "corp", "home", "internal", "intranet", "lan", "local", "localdomain", "localhost", "onion"}
    | {"private", "workgroup"}
)


def domain_name(text: str) -> str:
    """The domain of an address as it is asked for: A-labels, lower case, no final dot.

    Raises:
        ValueError: it is none; an IP address is none either.
    """
    name = host_name(text)
    if ":" in name or _NUMERIC.fullmatch(name.rpartition(".")[2]):
        raise ValueError("is not a domain name")
    return name


def referred_name(text: str) -> str | None:
    """A name that a record refers to, in lower case without its final dot; ``None`` for what cannot be one."""
    name = text.removesuffix(".").lower()
    if len(name) > _LONGEST or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        return None
    return name


def is_public(name: str) -> bool:
    """Whether a name belongs to the public DNS, by its last label; one without a dot does not."""
    return "." in name and name.rpartition(".")[2] not in _NOT_PUBLIC
