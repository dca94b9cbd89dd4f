"""The key that verifies hand-over tokens: what is taken, and that nothing that looks like a key becomes a secret."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from config import platform_key
from config.platform_key import MOST_KEYS

ED25519 = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SMALL_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())
SECRET = "Zk3v9Qm1Xw8Lr2Tb6Yh4Nc7Pd5Sf0Gj="


def public(key, encoding=serialization.Encoding.PEM, form=serialization.PublicFormat.SubjectPublicKeyInfo):
    return key.public_key().public_bytes(encoding, form)


def pem(key):
    return public(key).decode()


def private(key, form=serialization.PrivateFormat.PKCS8):
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@pytest.mark.parametrize(
    ("text", "algorithms"),
    [
        (pem(ED25519), ["EdDSA"]),
        (pem(RSA), ["RS256"]),
        (SECRET, ["HS256"]),
        (f"  {SECRET}\n", ["HS256"]),
        ("a passphrase, with commas, and 32 characters", ["HS256"]),
        (pem(ED25519).replace("\n", "\\n"), ["EdDSA"]),
        (pem(ED25519).replace("\n", "\r\n"), ["EdDSA"]),
        (pem(RSA) + pem(ED25519), ["RS256", "EdDSA"]),
    ],
    ids=["ed25519", "rsa", "secret", "blanks", "passphrase", "one line", "crlf", "rotation"],
)
def test_the_key_decides_the_algorithm(text, algorithms):
    assert [key.algorithm for key in platform_key.parse(text).keys] == algorithms


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (private(ED25519), "private key"),
        (private(RSA, serialization.PrivateFormat.TraditionalOpenSSL), "private key"),
        (pem(ED25519) + private(ED25519), "private key"),
        (pem(SMALL_RSA), "1024 bits"),
        (pem(EC), "neither Ed25519 nor RSA"),
        (public(RSA, form=serialization.PublicFormat.PKCS1).decode(), "not a PUBLIC KEY"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "cannot be read"),
        ("-----BEGIN PUBLIC KEY-----", "in PEM form"),
        (f"{pem(ED25519)}and something else", "in PEM form"),
        (pem(ED25519) * (MOST_KEYS + 1), "in PEM form"),
        ("", "less than 32 bytes"),
        ("a" * 31, "less than 32 bytes"),
        ("abab" * 20, "can be guessed"),
        ('{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}', "notation"),
        (public(ED25519, serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode(), "notation"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_reason_that_repeats_nothing(text, said):
    with pytest.raises(ValueError, match=said) as refused:
        platform_key.parse(text)
    assert len(str(refused.value)) < 120


@pytest.mark.parametrize("key", [ED25519, RSA, SMALL_RSA, EC])
def test_a_public_key_without_its_pem_lines_is_never_taken_for_a_secret(key):
    der = public(key, serialization.Encoding.DER)
    inner = "".join(pem(key).splitlines()[1:-1])
    for text in (inner, base64.urlsafe_b64encode(der).decode(), "\n".join(pem(key).splitlines()[1:-1])):
        with pytest.raises(ValueError, match="notation"):
            platform_key.parse(text)


def test_a_key_does_not_show_itself():
    shown = f"{platform_key.parse(SECRET)!r}"
    assert "HS256" in shown
    assert SECRET not in shown
    assert SECRET.encode().hex() not in shown
