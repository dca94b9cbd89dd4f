"""Telling the copies of one message apart, through redeliveries, and through waits that give a copy another name."""

import hashlib
import re
from typing import Final

from consumer import names
from consumer.broker import Incoming

COPY_BYTES: Final = 8
"""Of a copy's key, as much as tells it from the other copies of the same event."""

_ORIGIN: Final = re.compile(f"[0-9a-f]{{{2 * COPY_BYTES}}}")


def copy_key(incoming: Incoming) -> bytes:
    """Tells one copy of a message from every other: each republished copy carries an identifier of its own."""
    copy = incoming.properties.headers.get(names.H_COPY)
    digest = hashlib.blake2b(incoming.body, digest_size=16)
    digest.update(b"\0" + str(copy).encode("utf-8", "replace"))
    return digest.digest()


def origin(incoming: Incoming, key: bytes) -> str:
    """The copy that this one only goes on for; empty when nobody can have begun to settle it before.

    A copy that comes again may have an end on record whose branches were never published. If it is put off before the
    ledger was asked, the next copy of it has to be known for the same.
    """
    had = incoming.properties.headers.get(names.H_ORIGIN)
    if isinstance(had, str) and _ORIGIN.fullmatch(had):
        return had
    return key[:COPY_BYTES].hex() if incoming.redelivered else ""
