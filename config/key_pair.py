"""An app's private key with its certificate, as one PEM text: whether it can be used, and when it runs out.

Anybody who may fill in a form may hand in a key, and looking at it must cost next to nothing: what a library does to
validate one (whether its primes are prime, what its public half is) takes minutes for a large one, and holds up
everything else in the process meanwhile. So only RSA keys of usual sizes are read at all, and their numbers are
compared by sums and products alone.
"""

import base64
import binascii
import re
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

SMALLEST: Final = 2048
LARGEST: Final = 4096
"""Bits of a key. Entra ID and Google take no smaller ones, and nobody makes larger ones for either."""
LONGEST: Final = 12_000
"""The most bytes of a key with its certificate: a key of 4096 bits has 3.3 KB, and a chain may follow."""

_BEGINS: Final = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----")
_OURS: Final = {b"PRIVATE KEY", b"RSA PRIVATE KEY"}
_KEY: Final = re.compile(rb"-----BEGIN ((?:RSA )?PRIVATE KEY)-----([A-Za-z0-9+/=\s]+)-----END \1-----")
_ENCRYPTED: Final = re.compile(rb"-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: *4, *ENCRYPTED")
_RSA: Final = re.compile(
    rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]\x30[\x0b\x0d]\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01",
    re.DOTALL,
)
"""How a PrivateKeyInfo of an RSA key begins (RFC 5208 §5, RFC 8017 A.1)."""
_UNREADABLE: Final = "has no private key in PEM form that can be read"
_LARGEST_EXPONENT: Final = 64
"""Bits of a public exponent; nearly all are 65537."""


def check(path: Path) -> datetime:
    """When the certificate in a file expires; the file has its RSA key as well, as PS256 needs (RFC 7518 §3.5).

    Raises:
        ValueError: with half a sentence of ours about the file, and nothing of what is in it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1)
    except OSError:
        raise ValueError("is not a file that can be read") from None
    return check_text(text)


def check_text(text: bytes) -> datetime:
    """The same for what is in such a file."""
    key = rsa_key(text)
    try:
        certificates = x509.load_pem_x509_certificates(text)
        public = certificates[0].public_key()
    except Exception:  # noqa: BLE001 - whatever the library makes of it: its errors may repeat what is in the file
        raise ValueError("has no certificate in PEM form that can be read") from None
    if not isinstance(public, rsa.RSAPublicKey) or public.public_numbers() != key.public_key().public_numbers():
        raise ValueError("has a private key and a first certificate that do not belong together")
    return certificates[0].not_valid_after_utc


def rsa_key(text: bytes) -> rsa.RSAPrivateKey:
    """The only private key in a PEM text, of 2048 to 4096 bits.

    Its numbers belong together; that its primes are prime is believed, as only its owner is hurt if they are not.

    Raises:
        ValueError: as :func:`check` does.
    """
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST} bytes")
    if _ENCRYPTED.search(text):
        raise ValueError("has a private key that is encrypted")
    found = _KEY.search(text)
    kinds = _BEGINS.findall(text)
    if found is None or len(kinds) != 1:
        other = kinds and not _OURS & set(kinds)
        raise ValueError("has a private key that is not RSA" if other else _UNREADABLE)
    label, body = found.groups()
    # Other kinds are not so much as read: the library computes their public halves.
    if label == b"PRIVATE KEY" and not _RSA.match(_decoded(body)):
        raise ValueError("has a private key that is not RSA")
    try:
        key = load_pem_private_key(found.group(), password=None, unsafe_skip_rsa_key_validation=True)
    except Exception:  # noqa: BLE001 - whatever the library makes of it: its errors may repeat what is in the file
        raise ValueError(_UNREADABLE) from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("has a private key that is not RSA")
    if not SMALLEST <= key.key_size <= LARGEST:
        raise ValueError(f"has a private key that is not of {SMALLEST} to {LARGEST} bits")
    if not _consistent(key.private_numbers()):
        raise ValueError(_UNREADABLE)
    return key


def _decoded(body: bytes) -> bytes:
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error:
        raise ValueError(_UNREADABLE) from None


def _consistent(key: rsa.RSAPrivateNumbers) -> bool:
    """Whether the numbers are those of one key (RFC 8017 §3.2), with primes of about the same length."""
    public, p, q = key.public_numbers, key.p, key.q
    half = public.n.bit_length() // 2 + 2
    if not 1 < min(p, q) <= max(p, q) < 1 << half or p * q != public.n:
        return False
    if not (2 < public.e < 1 << _LARGEST_EXPONENT and public.e % 2 and 0 < key.d < public.n):
        return False
    exponents = (key.d - key.dmp1) % (p - 1) == 0 and (key.d - key.dmq1) % (q - 1) == 0
    inverse = public.e * key.dmp1 % (p - 1) == 1 and public.e * key.dmq1 % (q - 1) == 1
    ranges = 0 < key.dmp1 < p and 0 < key.dmq1 < q and 0 < key.iqmp < p
    return ranges and exponents and inverse and q * key.iqmp % p == 1
