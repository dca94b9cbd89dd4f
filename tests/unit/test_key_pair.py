"""A private key with its certificate: what can be used is taken, and nothing that is handed in costs time."""

import base64
import time
from functools import lru_cache

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from config import key_pair

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
PLAIN = serialization.NoEncryption()


def key_of(p: int, q: int, **changes: int) -> bytes:
    """A key of two numbers that need not be prime."""
    e, phi = 65537, (p - 1) * (q - 1)
    d = pow(e, -1, phi)
    parts = {"p": p, "q": q, "d": d, "dmp1": d % (p - 1), "dmq1": d % (q - 1), "iqmp": pow(q, -1, p), **changes}
    numbers = rsa.RSAPrivateNumbers(**parts, public_numbers=rsa.RSAPublicNumbers(e, p * q))
    key = numbers.private_key(unsafe_skip_rsa_key_validation=True)
    return key.private_bytes(PEM, PKCS8, PLAIN)


def mersenne(first: int, second: int) -> bytes:
    """A key of two Mersenne primes, which is made at once whatever its size."""
    return key_of(2**first - 1, 2**second - 1)


@lru_cache
def usual() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@lru_cache
def leaf() -> bytes:
    return (
        trustme.CA(key_type=trustme.KeyType.RSA)
        .issue_cert("app.example", key_type=trustme.KeyType.RSA)
        .private_key_and_cert_chain_pem.bytes()
    )


def test_a_key_with_its_certificate_is_taken() -> None:
    assert key_pair.check_text(leaf()).year > 2000
    assert key_pair.check_text(leaf().replace(b"\n", b"\r\n")).year > 2000


@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
def test_both_forms_of_a_key_are_read(form: serialization.PrivateFormat) -> None:
    text = usual().private_bytes(PEM, form, PLAIN)
    assert key_pair.rsa_key(b"Bag Attributes\n" + text).private_numbers() == usual().private_numbers()


def test_another_keys_certificate_is_refused() -> None:
    certificate = leaf()[leaf().index(b"-----BEGIN CERTIFICATE") :]
    with pytest.raises(ValueError, match="do not belong together"):
        key_pair.check_text(usual().private_bytes(PEM, PKCS8, PLAIN) + certificate)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (2203, 2281, "2048 to 4096 bits"),
        (4253, 4423, "2048 to 4096 bits"),
        (4423, 11213, "2048 to 4096 bits"),
        (9689, 9941, "longer than"),
    ],
)
def test_a_key_that_is_too_large_is_refused_at_once(first: int, second: int, said: str) -> None:
    """Validated, the smallest of these takes seconds and the others minutes."""
    text = mersenne(first, second)
    began = time.process_time()
    with pytest.raises(ValueError, match=said):
        key_pair.rsa_key(text)
    assert time.process_time() - began < 0.2


def test_a_key_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="2048 to 4096"):
        key_pair.rsa_key(mersenne(521, 607))


def test_numbers_that_make_no_usable_key_are_refused() -> None:
    numbers = usual().private_numbers()
    for change in ({"dmp1": numbers.dmp1 + 2}, {"iqmp": numbers.iqmp + 1}, {"d": numbers.d + 2}):
        with pytest.raises(ValueError, match="that can be read"):
            key_pair.rsa_key(key_of(numbers.p, numbers.q, **change))
    for lopsided in (mersenne(89, 2281), mersenne(2281, 521)):
        with pytest.raises(ValueError, match="that can be read"):
            key_pair.rsa_key(lopsided)


def _large_dh() -> bytes:
    """A Diffie-Hellman key whose public half takes minutes to compute."""

    def tag(kind: int, content: bytes) -> bytes:
        size = len(content)
        length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2)
        return bytes([kind]) + length + content

    huge = (2**24000 - 1).to_bytes(3001)
    parameters = tag(0x30, tag(0x02, huge) + tag(0x02, b"\x02"))
    kind = tag(0x30, bytes.fromhex("06092a864886f70d010301") + parameters)
    der = tag(0x30, b"\x02\x01\x00" + kind + tag(0x04, tag(0x02, huge)))
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.encodebytes(der) + b"-----END PRIVATE KEY-----\n"


def test_other_kinds_of_keys_are_refused_without_being_read() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    texts = [
        elliptic.private_bytes(PEM, PKCS8, PLAIN),
        elliptic.private_bytes(PEM, TRADITIONAL, PLAIN),
        dsa.generate_private_key(1024).private_bytes(PEM, TRADITIONAL, PLAIN),
        _large_dh(),
    ]
    began = time.process_time()
    for text in texts:
        with pytest.raises(ValueError, match="not RSA"):
            key_pair.rsa_key(text)
    assert time.process_time() - began < 0.2


def test_an_encrypted_key_is_told_from_one_that_cannot_be_read() -> None:
    secret = serialization.BestAvailableEncryption(b"a pass phrase")
    for form in (PKCS8, TRADITIONAL):
        with pytest.raises(ValueError, match="is encrypted"):
            key_pair.rsa_key(usual().private_bytes(PEM, form, secret))
    text = usual().private_bytes(PEM, PKCS8, PLAIN)
    for broken in (b"", b"x", text[:-40], text[:200] + text[300:], text + text, text.replace(b"M", b"!", 1)):
        with pytest.raises(ValueError, match="that can be read"):
            key_pair.rsa_key(broken)
