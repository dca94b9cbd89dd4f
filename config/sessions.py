"""Who is signed in to the settings page. A session is known by a random token, of which only a hash is kept."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from config.store import Store
from config.store_sessions import SessionRows

LIFETIME: Final = timedelta(hours=8)
IDLE: Final = timedelta(minutes=60)
"""How long a session lasts, and how long without being used."""

_TOKEN_BYTES: Final = 32
_LONGEST_TOKEN: Final = 100
_TOUCH_AFTER: Final = timedelta(minutes=1)
_CLOCKS_APART: Final = timedelta(minutes=10)
"""Between the clocks of replicas: a token is remembered for longer than any of them takes it."""


class Role(StrEnum):
    """What somebody may do; ``VIEWER`` only looks."""

    ADMIN = "admin"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the platform says somebody is."""

    organization: str
    role: Role
    email: str
    name: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """An open session, for one organisation only. ``csrf`` is what its forms carry."""

    organization: str
    role: Role
    email: str
    name: str
    language: str | None
    csrf: str
    opened_at: datetime
    expires_at: datetime


class Sessions:
    """All methods raise :class:`~config.errors.StoreUnavailable`.

    ``now`` is the wall clock with a time zone, ``random`` gives that many unpredictable bytes (``os.urandom``).
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime], random: Callable[[int], bytes]) -> None:
        self._rows = SessionRows(store)
        self._now = now
        self._random = random

    async def open(self, identity: Identity) -> tuple[str, Session]:
        """A new session and its token (256 bits, URL-safe); rows that have ended are removed at the same time."""
        now, token = self._now(), self._secret()
        session = Session(
            **{name: getattr(identity, name) for name in ("organization", "role", "email", "name", "language")},
            csrf=self._secret(),
            opened_at=now,
            expires_at=now + LIFETIME,
        )
        values = {**asdict(session), "role": session.role.value, "token_hash": _hash(token), "seen_at": now}
        await self._rows.add(values, now=now, unseen_since=now - IDLE)
        return token, session

    async def get(self, token: str) -> Session | None:
        """The session of a token, as long as it lasts: 8 hours, and never 60 minutes without a call of this."""
        if not 0 < len(token) <= _LONGEST_TOKEN:
            return None
        row, now = await self._rows.get(_hash(token)), self._now()
        if row is None or now >= row["expires_at"] or now - row["seen_at"] >= IDLE:
            return None
        if now - row["seen_at"] >= _TOUCH_AFTER:
            await self._rows.change(_hash(token), seen_at=now)
        kept = {name: value for name, value in row.items() if name not in ("token_hash", "seen_at", "role")}
        return Session(role=Role(row["role"]), **kept)

    async def set_language(self, token: str, language: str) -> None:
        """Remembers the language chosen; nothing happens without a session."""
        await self._rows.change(_hash(token), language=language)

    async def close(self, token: str) -> None:
        """Ends a session; nothing happens if it is none."""
        await self._rows.remove(_hash(token))

    async def use_once(self, jti: str, expires: datetime) -> bool:
        """Notes that a hand-over token was used; ``False``: it was before, here or on another replica.

        It is remembered until after ``expires``, when nobody takes the token any more.
        """
        return await self._rows.use(_hash(jti), expires + _CLOCKS_APART)

    def _secret(self) -> str:
        return base64.urlsafe_b64encode(self._random(_TOKEN_BYTES)).rstrip(b"=").decode()


def _hash(token: str) -> bytes:
    # A random value of 256 bits needs no slow hash: nobody can guess it from this one.
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
