"""The platform's hand-over token: who comes, said and signed by the platform, good for one use within minutes.

A token is a JWT (RFC 7519) with the claims of :func:`read`. Why one was refused is for the log alone; a visitor is told
the same sentence for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NoReturn

import jwt
from jwt.types import Options

from config import addresses
from config.choices import valid_organization_id
from config.languages import LANGUAGES
from config.logs import get_logger
from config.platform_key import PlatformKey, TokenKey
from config.sessions import Identity, Role, Session, Sessions

log = get_logger(__name__)

AUDIENCE: Final = "mailroom"
LIFETIME: Final = 300
LEEWAY: Final = 10
"""Seconds that the platform's clock and ours may differ by."""
LONGEST_TOKEN: Final = 4096

_LONGEST_JTI: Final = 128
_SHORTEST_JTI: Final = 8
_LONGEST_EMAIL: Final = 254
_LONGEST_NAME: Final = 200
_LONGEST_LOCALE: Final = 35
_LATEST: Final = 253_402_300_799
"""The last second that a date can have: 9999-12-31."""


class HandoverRefused(Exception):
    """A token is not taken; ``reason`` is a code for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Statement:
    """What a token says: ``identity`` comes, ``jti`` names the token, nobody takes it after ``expires``."""

    identity: Identity
    jti: str
    expires: datetime


class Handover:
    """Takes tokens; ``now`` is the wall clock with a time zone."""

    def __init__(self, key: PlatformKey, sessions: Sessions, *, now: Callable[[], datetime]) -> None:
        self._key = key
        self._sessions = sessions
        self._now = now

    async def open(self, token: str) -> tuple[str, Session]:
        """A new session for whom the token names, and the session's token.

        Raises:
            HandoverRefused: the token is not one of the platform for us, or was used before.
            StoreUnavailable: nothing was opened; whether the token is used up is not known.
        """
        try:
            statement = read(self._claims(token), self._now())
            identity = statement.identity
            # The platform's tokens are named per organisation: one's tokens can never use up another's.
            if not await self._sessions.use_once(f"{identity.organization} {statement.jti}", statement.expires):
                refuse("replayed")
        except HandoverRefused as refused:
            log.info("a hand-over was refused", reason=refused.reason)
            raise
        return await self._sessions.open(identity)

    def _claims(self, token: str) -> Mapping[str, Any]:
        if len(token) > LONGEST_TOKEN:
            refuse("too_long")
        reason = "signature"
        for one in self._key.keys:
            try:
                return _verified(token, one)
            except jwt.InvalidAlgorithmError:
                reason = "algorithm"
            except jwt.InvalidSignatureError:
                reason = "signature"
            except (jwt.InvalidTokenError, ValueError, TypeError, RecursionError):
                reason = "form"
        raise HandoverRefused(reason)


def _verified(token: str, key: TokenKey) -> Mapping[str, Any]:
    # The time is compared in read(), with a clock that tests can set, and so is the audience, which must be ours alone.
    options: Options = {
        "verify_signature": True,
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "verify_aud": False,
        "verify_iss": False,
        "verify_sub": False,
        "verify_jti": False,
    }
    claims: Mapping[str, Any] = jwt.decode(token, key.key, algorithms=[key.algorithm], options=options)
    return claims


def refuse(reason: str) -> NoReturn:
    """Raises :class:`HandoverRefused`."""
    raise HandoverRefused(reason)


def read(claims: Mapping[str, Any], now: datetime) -> Statement:
    """What verified claims say: ``aud``, ``organization``, ``role``, ``email``, ``name``, ``jti``, ``exp``.

    ``iat``, ``nbf`` and ``locale`` may be there; other claims are passed over.

    Raises:
        HandoverRefused: one is missing, has the wrong type or an impossible value, or it is not the time.
    """
    if claims.get("aud") not in (AUDIENCE, [AUDIENCE]):
        refuse("audience")
    expires = _times(claims, now.timestamp())
    jti = _text(claims, "jti", _LONGEST_JTI)
    if len(jti) < _SHORTEST_JTI or not (jti.isascii() and jti.isprintable()) or " " in jti:
        refuse("jti")
    return Statement(_identity(claims), jti, datetime.fromtimestamp(expires, UTC) + timedelta(seconds=2 * LEEWAY))


def _times(claims: Mapping[str, Any], now: float) -> float:
    expires, issued, starts = (_moment(claims, name) for name in ("exp", "iat", "nbf"))
    if expires is None:
        refuse("exp")
    if expires + LEEWAY <= now:
        refuse("expired")
    if expires > now + LIFETIME + LEEWAY or (issued is not None and expires > issued + LIFETIME):
        refuse("lifetime")
    if max(issued or 0, starts or 0) > now + LEEWAY:
        refuse("not_yet")
    return expires


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    # The comparison also refuses infinity, NaN, and whole numbers that no float can hold.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < _LATEST:
        refuse(name)
    return float(value)


def _identity(claims: Mapping[str, Any]) -> Identity:
    organization, role = _text(claims, "organization", 128), _text(claims, "role", 10)
    if not valid_organization_id(organization):
        refuse("organization")
    if role not in set(Role):
        refuse("role")
    return Identity(organization, Role(role), _email(claims), _name(claims), _language(claims))


def _email(claims: Mapping[str, Any]) -> str:
    try:
        return addresses.sender_address(_text(claims, "email", _LONGEST_EMAIL))
    except ValueError:
        refuse("email")


def _name(claims: Mapping[str, Any]) -> str:
    name = _text(claims, "name", _LONGEST_NAME).strip()
    return refuse("name") if addresses.has_control_characters(name) else name


def _language(claims: Mapping[str, Any]) -> str | None:
    """The language of ``locale`` (``fr``, ``fr-CA``, ``fr_CA``) if it is one of ours."""
    if claims.get("locale") is None:
        return None
    tag = _text(claims, "locale", _LONGEST_LOCALE).replace("_", "-").split("-")[0].lower()
    return tag if tag in LANGUAGES else None


def _text(claims: Mapping[str, Any], name: str, longest: int) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) and len(value) <= longest else refuse(name)
