"""An app's private key with its certificate, as one PEM text: whether it can be used, and when it runs out."""

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key


def check(path: Path) -> datetime:
    """When the certificate in a file expires; the file has its RSA key as well, as PS256 needs (RFC 7518 §3.5).

    Raises:
        ValueError: with half a sentence of ours about the file, and nothing of what is in it.
    """
    try:
        text = path.read_bytes()
    except OSError:
        raise ValueError("is not a file that can be read") from None
    return check_text(text)


def check_text(text: bytes) -> datetime:
    """The same for what is in such a file."""
    try:
        key = load_pem_private_key(text, password=None)
    except TypeError:
        raise ValueError("has a private key that is encrypted") from None
    except Exception:  # noqa: BLE001 - whatever the library makes of it: its errors may repeat what is in the file
        raise ValueError("has no private key in PEM form that can be read") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("has a private key that is not RSA")
    try:
        certificates = x509.load_pem_x509_certificates(text)
    except ValueError:
        raise ValueError("has no certificate in PEM form that can be read") from None
    if certificates[0].public_key() != key.public_key():
        raise ValueError("has a private key and a first certificate that do not belong together")
    return certificates[0].not_valid_after_utc
