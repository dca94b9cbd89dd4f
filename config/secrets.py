"""Secrets: the type that never prints, the keys that seal them at rest, and the keyed hash.

A *secret key* is 32 random bytes, written as unpadded URL-safe base64; ``MAILROOM_SECRET_KEYS`` lists them, the
current one first. The first one seals, all of them open, so a rotation has both readable meanwhile. From each key two
independent ones are derived (HKDF-SHA-256, RFC 5869): one seals values, the other only gives the key its public id.

Values are sealed with AES-256-GCM (NIST SP 800-38D) under a random 96-bit nonce; organisation and field are the
associated data, so a sealed value copied to another row or column does not open. Where sealed values are kept, and how
a rotation walks over them, is not known here.
"""

import base64
import binascii
import hashlib
import hmac
import os
import struct
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config.errors import ConfigurationError, SecretUnreadable

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
HASH_BYTES: Final = 16
NO_KEY: Final = "MAILROOM_SECRET_KEYS: is needed to seal secrets. Write the output of `mailroom keys generate`."
_FORMAT: Final = "v1"

RandomBytes = Callable[[int], bytes]


class Secret:
    """A text that never shows itself: not by ``str``, ``repr``, formatting, pickling or an error about it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself; call it only where it goes to the provider or the cipher."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not written anywhere by itself")


def generate_key(random: RandomBytes = os.urandom) -> str:
    """A new secret key in the form ``MAILROOM_SECRET_KEYS`` takes."""
    return base64.urlsafe_b64encode(random(KEY_BYTES)).rstrip(b"=").decode()


def decode_key(text: str) -> bytes:
    """The bytes of a secret key.

    Raises:
        ValueError: it is not base64 (either alphabet, padded or not) of 32 bytes; the text is not repeated.
    """
    plain = text.strip().rstrip("=").replace("+", "-").replace("/", "_")
    try:
        key = base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"it has {len(key)} bytes and not {KEY_BYTES}")
    return key


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mailroom " + purpose).derive(key)


def _joined(parts: Iterable[bytes]) -> bytes:
    # Lengths in front keep ("ab", "c") and ("a", "bc") apart.
    return b"".join(struct.pack(">Q", len(part)) + part for part in parts)


class SecretBox:
    """Seals and opens texts for one organisation and field; the first key seals, every key opens.

    An empty box is allowed: it opens nothing and its ``seal`` says that a key is missing.
    """

    def __init__(self, keys: Iterable[Secret], *, random: RandomBytes = os.urandom) -> None:
        self._ciphers: dict[str, AESGCM] = {}
        self._random = random
        for key in keys:
            raw = decode_key(key.reveal())
            name = hashlib.sha256(_derive(raw, b"key id v1")).hexdigest()[:8]
            self._ciphers.setdefault(name, AESGCM(_derive(raw, b"seal v1")))

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The public names of the keys, the sealing one first."""
        return tuple(self._ciphers)

    def require(self) -> None:
        """Raises :class:`~config.errors.ConfigurationError` when there is no key."""
        if not self._ciphers:
            raise ConfigurationError([NO_KEY])

    def seal(self, plaintext: str, organization: str, field: str) -> str:
        """The sealed form ``v1:<key id>:<base64 of nonce and ciphertext>``.

        Raises:
            ConfigurationError: there is no key.
        """
        self.require()
        name, cipher = next(iter(self._ciphers.items()))
        nonce = self._random(NONCE_BYTES)
        sealed = nonce + cipher.encrypt(nonce, plaintext.encode(), self._associated(organization, field))
        return f"{_FORMAT}:{name}:{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, token: str, organization: str, field: str) -> str:
        """The text that was sealed for this organisation and field.

        Raises:
            SecretUnreadable: wrong form, unknown key, or not sealed for this organisation and field.
        """
        name, body = self._parts(token)
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise SecretUnreadable(f"it was sealed with key {name}, which is not in MAILROOM_SECRET_KEYS")
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            plain = cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], self._associated(organization, field))
            return plain.decode()
        except (InvalidTag, ValueError):
            raise SecretUnreadable("it was changed, or sealed for another organisation or field") from None

    def is_current(self, token: str) -> bool:
        """Whether the token is sealed with the first key; a rotation leaves such a value alone."""
        return bool(self._ciphers) and self._parts(token)[0] == next(iter(self._ciphers))

    @staticmethod
    def _parts(token: str) -> tuple[str, str]:
        version, _, rest = token.partition(":")
        name, _, body = rest.partition(":")
        known = version == _FORMAT and len(name) == 8 and not set(name) - set("0123456789abcdef")
        if not known:
            raise SecretUnreadable("it is not in a form this version knows")
        return name, body

    @staticmethod
    def _associated(organization: str, field: str) -> bytes:
        return _joined((b"mailroom", _FORMAT.encode(), organization.encode(), field.encode()))


class KeyedHash:
    """Names things in the database without saying what they are: BLAKE2b under a secret key (RFC 7693 §2.9).

    The key is not one of ``MAILROOM_SECRET_KEYS``. It is random, drawn once for a database and kept in it sealed
    (:mod:`config.store_keyring`); a rotation seals it anew and does not change it. So the same parts give the same
    hash before, during and after a rotation, and on every replica.
    """

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __call__(self, *parts: bytes) -> bytes:
        """16 bytes for this sequence of parts; the borders between parts count."""
        return hashlib.blake2b(_joined(parts), digest_size=HASH_BYTES, key=self._key).digest()

    def __repr__(self) -> str:
        return "KeyedHash(***)"
