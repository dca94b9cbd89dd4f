"""What Google remembers of consents: grants, their refresh tokens, access tokens and codes, and how each of them dies.

Pure state with a clock; nothing here knows of HTTP. Not safe for threads: one lock holds around the whole sandbox.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

EMAIL: Final = "https://www.googleapis.com/auth/userinfo.email"
PROFILE: Final = "https://www.googleapis.com/auth/userinfo.profile"
GMAIL_SEND: Final = "https://www.googleapis.com/auth/gmail.send"
FULL_MAIL: Final = "https://mail.google.com/"
SIGN_IN: Final = ("openid", EMAIL, PROFILE)
_SHORT: Final = {"email": EMAIL, "profile": PROFILE}
_GMAIL: Final = "https://www.googleapis.com/auth/gmail."

ACCESS_SECONDS: Final = 3599
CODE_SECONDS: Final = 600
IDLE_SECONDS: Final = 183 * 86_400
TESTING_SECONDS: Final = 7 * 86_400
MOST_LIVE: Final = 100


def full_scopes(names: Iterable[str]) -> tuple[str, ...]:
    """Scopes as Google names them in its answers: ``email`` and ``profile`` are short for addresses."""
    return tuple(dict.fromkeys(_SHORT.get(name, name) for name in names))


def for_gmail(scopes: Iterable[str]) -> bool:
    """Whether a grant ends when the person changes the password."""
    return any(scope == FULL_MAIL or scope.startswith(_GMAIL) for scope in scopes)


@dataclass(slots=True, eq=False)
class Grant:
    """One refresh token. ``used`` is when it was used last; ``dead`` says why it is no longer good."""

    token: str = field(repr=False)
    account: str
    scopes: tuple[str, ...]
    made: float
    used: float
    dies: float | None = None
    dead: str = ""


@dataclass(slots=True, eq=False)
class Access:
    """One access token. ``account`` is empty for a service account that acts for nobody."""

    token: str = field(repr=False)
    account: str
    scopes: frozenset[str]
    expires: float
    grant: Grant | None = None
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """An authorisation code and all that must fit when it is redeemed."""

    account: str
    scopes: tuple[str, ...]
    redirect_uri: str
    challenge: str
    challenge_method: str
    nonce: str
    offline: bool
    expires: float


class TokenRefused(Exception):
    """The token endpoint says no: ``error`` and ``description`` as in RFC 6749 §5.2."""

    def __init__(self, error: str, description: str, status: int = 400, *, subtype: str = "") -> None:
        super().__init__(f"{error}: {description}")
        self.status = status
        self.body = {"error": error, "error_description": description}
        if subtype:
            self.body["error_subtype"] = subtype


def dead_grant(description: str = "Token has been expired or revoked.", subtype: str = "") -> TokenRefused:
    """``invalid_grant``: a person must consent again."""
    return TokenRefused("invalid_grant", description, subtype=subtype)


class Grants:
    """All that one OAuth client was ``given``. ``testing``: the app's publishing status is *Testing*."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.testing = False
        self.access_seconds: float = ACCESS_SECONDS
        self.consents: dict[str, tuple[str, ...]] = {}
        self.given: list[str] = []
        self._codes: dict[str, Code] = {}
        self._grants: dict[str, Grant] = {}
        self._access: dict[str, Access] = {}

    def live(self, account: str) -> list[Grant]:
        """The grants of an account that are good, oldest first."""
        return [one for one in list(self._grants.values()) if one.account == account and not self.trouble(one)]

    def trouble(self, grant: Grant) -> str:
        """Why a grant is not good; empty when it is."""
        now = self.clock()
        if grant.dead:
            return grant.dead
        if grant.dies is not None and now >= grant.dies:
            return "expired"
        return "unused" if now - grant.used > IDLE_SECONDS else ""

    def owner(self, token: str) -> str:
        """The account that a code or a token of any kind was given for, good or not; empty when nobody knows it."""
        found = self._codes.get(token) or self._grants.get(token) or self._access.get(token)
        return found.account if found is not None else ""

    def add_code(self, code: Code) -> str:
        """A code for the way back."""
        name = f"4/0A{secrets.token_urlsafe(48)}"
        self._codes[name] = code
        self.given.append(name)
        return name

    def take_code(self, name: str) -> Code:
        """The code, once.

        Raises:
            TokenRefused: there is none, or it is too old.
        """
        code = self._codes.pop(name, None)
        if code is None:
            raise dead_grant("Malformed auth code." if not name.startswith("4/") else "Bad Request")
        if self.clock() >= code.expires:
            raise dead_grant("Bad Request")
        return code

    def add_grant(self, account: str, scopes: Iterable[str]) -> Grant:
        """A new refresh token; beyond a hundred live ones the oldest silently dies."""
        now = self.clock()
        living = self.live(account)
        for oldest in living[: max(0, len(living) + 1 - MOST_LIVE)]:
            oldest.dead = "too many"
        made = Grant(
            f"1//0{secrets.token_urlsafe(64)}",
            account,
            tuple(scopes),
            now,
            now,
            dies=now + TESTING_SECONDS if self.testing else None,
        )
        self._grants[made.token] = made
        self.given.append(made.token)
        return made

    def add_access(
        self, account: str, scopes: Iterable[str], *, grant: Grant | None = None, expires_in: float | None = None
    ) -> Access:
        """A new access token; those before it stay good until they expire."""
        seconds = self.access_seconds if expires_in is None else expires_in
        made = Access(f"ya29.{secrets.token_urlsafe(120)}", account, frozenset(scopes), self.clock() + seconds, grant)
        self._access[made.token] = made
        self.given.append(made.token)
        return made

    def refresh(self, token: str) -> Grant:
        """The live grant of a refresh token, which counts as used.

        Raises:
            TokenRefused: it is not good (any more).
        """
        grant = self._grants.get(token)
        if grant is None:
            raise dead_grant("Bad Request")
        trouble = self.trouble(grant)
        if trouble == "session":
            raise dead_grant("reauth related error (invalid_rapt)", subtype="invalid_rapt")
        if trouble:
            raise dead_grant()
        grant.used = self.clock()
        return grant

    def access(self, token: str) -> Access | None:
        """The access token, if it is good now. It ends with its grant, unless that only got too old."""
        found = self._access.get(token)
        if found is None or found.revoked or self.clock() >= found.expires:
            return None
        ended = found.grant is not None and found.grant.dead in ("revoked", "password", "gone")
        return None if ended else found

    def expire_access(self, account: str) -> None:
        """Ends the access tokens of an account; its grants stay good."""
        for one in list(self._access.values()):
            if one.account == account:
                one.revoked = True

    def end(self, account: str, why: str, *, only_gmail: bool = False) -> None:
        """Ends the grants of an account: ``revoked``, ``password``, ``session``, ``gone`` or ``expired``."""
        for one in list(self._grants.values()):
            if one.account == account and not one.dead and (not only_gmail or for_gmail(one.scopes)):
                one.dead = why
        if why in ("revoked", "gone"):
            self.consents.pop(account, None)

    def revoke(self, token: str, *, whole_consent: bool) -> bool:
        """Revokes by either kind of token; with ``whole_consent`` every grant of the account to this client ends."""
        access = self._access.get(token)
        grant = self._grants.get(token) or (access.grant if access else None)
        if (grant is None or grant.dead) and (access is None or access.revoked):
            return False
        if access is not None:
            access.revoked = True
        if grant is not None:
            grant.dead = "revoked"
            if whole_consent or not self.live(grant.account):
                self.end(grant.account, "revoked")
        return True
