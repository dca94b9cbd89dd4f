"""A DKIM key record judged by its text (RFC 6376 §3.6.1, RFC 8301, RFC 8463). Pure."""

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from config.dns.tag_list import TagList, parse_tags

FEWEST_BITS: Final = 1024
"""What recipients must not go below (RFC 8301 §3.2)."""
GOOD_BITS: Final = 2048
_ED25519_BYTES: Final = 32


class Fitness(StrEnum):
    """What a record is good for."""

    GOOD = "good"
    SHORT = "short"
    TOO_SHORT = "too_short"
    REVOKED = "revoked"
    UNUSABLE = "unusable"
    NOT_A_KEY = "not_a_key"


@dataclass(frozen=True, slots=True)
class DkimKey:
    """A judged record. ``bits`` is the length of an RSA key, else 0; ``testing`` is its flag ``t=y``."""

    fitness: Fitness
    bits: int = 0
    testing: bool = False


def judge(text: str) -> DkimKey:
    """What the record is good for. A text without ``p=``, such as a record of another kind, is no key."""
    tags = parse_tags(text)
    if "p" not in tags.tags:
        return DkimKey(Fitness.UNUSABLE if tags.get("v").upper() == "DKIM1" else Fitness.NOT_A_KEY)
    if not tags.get("p"):
        return DkimKey(Fitness.REVOKED)
    if "v" in tags.tags and (next(iter(tags.tags)) != "v" or tags.get("v") != "DKIM1"):
        return DkimKey(Fitness.UNUSABLE)
    try:
        key = base64.b64decode("".join(tags.get("p").split()), validate=True)
    except ValueError:  # covers binascii.Error
        return DkimKey(Fitness.UNUSABLE)
    testing = "y" in tags.words("t", ":")
    kind = tags.get("k", "rsa").lower() if _for_mail(tags) else ""
    if kind == "ed25519" and len(key) == _ED25519_BYTES:
        return DkimKey(Fitness.GOOD, testing=testing)
    bits = _rsa_bits(key) if kind == "rsa" else 0
    return DkimKey(_of_length(bits), bits, testing)


def _of_length(bits: int) -> Fitness:
    if bits == 0:
        return Fitness.UNUSABLE
    if bits < FEWEST_BITS:
        return Fitness.TOO_SHORT
    return Fitness.SHORT if bits < GOOD_BITS else Fitness.GOOD


def _for_mail(tags: TagList) -> bool:
    services, hashes = tags.words("s", ":"), tags.words("h", ":")
    return (not services or bool(services & {"*", "email"})) and (not hashes or "sha256" in hashes)


def _rsa_bits(key: bytes) -> int:
    try:
        loaded = load_der_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        return 0
    return loaded.key_size if isinstance(loaded, RSAPublicKey) else 0
