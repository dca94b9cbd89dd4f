"""The key that verifies the platform's hand-over tokens, as ``MAILROOM_PLATFORM_KEY`` gives it.

The key decides the algorithm, never the token (RFC 8725 §3.1): an Ed25519 public key takes EdDSA, an RSA public key
RS256, and a text that is no key in any known notation is the shared secret of HS256. Whatever looks like a key and is
not one of the first two is refused, because taking a *public* key for a secret would let anybody sign.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

SHORTEST_SECRET: Final = 32
SMALLEST_RSA: Final = 2048
MOST_KEYS: Final = 4
_FEWEST_CHARACTERS: Final = 8
_BLOCK: Final = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)
_NOTATIONS: Final = re.compile(r"\{|ssh-|ecdsa-|sk-|untrusted comment|age1")
_DER_SEQUENCE: Final = b"\x30"

VerifyingKey = Ed25519PublicKey | RSAPublicKey | bytes


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One key and the only algorithm it is used with."""

    algorithm: str
    key: VerifyingKey = field(repr=False)


@dataclass(frozen=True, slots=True)
class PlatformKey:
    """All keys a token may be signed with: one, or several public ones while they are being rotated."""

    keys: tuple[TokenKey, ...]


def parse(text: str) -> PlatformKey:
    """The key that a person wrote; PEM may have ``\\n`` for its line ends.

    Raises:
        ValueError: it is none that can be used; half a sentence of ours, without anything of the text.
    """
    plain = text.strip()
    if "-----" in plain:
        return _public_keys(plain.replace("\\n", "\n"))
    return PlatformKey((TokenKey("HS256", _secret(plain)),))


def _public_keys(text: str) -> PlatformKey:
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key; that one stays with the platform, and its public key belongs here")
    blocks = [match.group() for match in _BLOCK.finditer(text)]
    if not blocks or _BLOCK.sub("", text).strip() or len(blocks) > MOST_KEYS:
        raise ValueError(f"is not one to {MOST_KEYS} public keys in PEM form")
    return PlatformKey(tuple(_public_key(block) for block in blocks))


def _public_key(block: str) -> TokenKey:
    if not block.startswith("-----BEGIN PUBLIC KEY-----"):
        raise ValueError("has a PEM block that is not a PUBLIC KEY")
    try:
        key = load_pem_public_key(block.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("has a public key that cannot be read") from None
    if isinstance(key, Ed25519PublicKey):
        return TokenKey("EdDSA", key)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("has a public key that is neither Ed25519 nor RSA")
    if key.key_size < SMALLEST_RSA:
        raise ValueError(f"has an RSA key of {key.key_size} bits; it needs at least {SMALLEST_RSA}")
    return TokenKey("RS256", key)


def _secret(text: str) -> bytes:
    if _NOTATIONS.match(text) or _is_der(text):
        raise ValueError("is a key in a notation other than PEM")
    secret = text.encode()
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"is a secret of less than {SHORTEST_SECRET} bytes")
    if len(set(text)) < _FEWEST_CHARACTERS:
        raise ValueError("is a secret that can be guessed: it consists of too few different characters")
    return secret


def _is_der(text: str) -> bool:
    """Whether it is the base64 of a DER sequence: the inside of a PEM block, say, without its first and last line."""
    bare = "".join(text.replace("\\n", "").split()).rstrip("=").replace("-", "+").replace("_", "/")
    try:
        raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    # A random secret has a sequence's tag and its very length with odds of some millionths.
    return raw[:1] == _DER_SEQUENCE and len(raw) == _sequence_length(raw)


def _sequence_length(raw: bytes) -> int:
    """How long the sequence is that begins here, header included (X.690 §8.1.3); 0 for what cannot be."""
    if len(raw) < 4:
        return 0
    if raw[1] < 0x80:
        return 2 + raw[1]
    count = raw[1] & 0x7F
    return 2 + count + int.from_bytes(raw[2 : 2 + count]) if count in (1, 2) else 0
