"""The values both providers share: an account, a mail that was taken, and what goes wrong on demand."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self

Consent = Literal["user", "admin", "blocked"]
"""Who has to say yes: the person, an administrator first, or nobody can (a policy forbids it)."""

Kind = Literal[
    "status", "throttle", "delay", "hold", "cut_upload", "cut_before", "cut_after", "hang_after", "hold_after"
]


@dataclass(slots=True)
class Account:
    """A person's mailbox.

    ``address`` is the primary one; ``subject`` and ``tenant`` name the account for good; ``aliases`` are further
    addresses of the mailbox, ``send_as`` addresses of others that it may send as. ``refused`` is a provider's error
    code that every request for a token of this account gets.
    """

    address: str
    name: str
    subject: str
    tenant: str = ""
    aliases: tuple[str, ...] = ()
    send_as: tuple[str, ...] = ()
    licensed: bool = True
    consent: Consent = "user"
    enabled: bool = True
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was taken, as it leaves the provider: ``content`` has no ``Bcc`` any more.

    ``account`` is the mailbox's primary address, ``sender`` the From address that recipients see, ``at`` in seconds
    since the epoch by the sandbox's clock, ``form`` how it came (``mime``, ``json``, ``draft``, ``raw``, ``media``).
    """

    account: str
    sender: str
    recipients: tuple[str, ...]
    content: bytes
    at: float
    form: str
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens instead of, or besides, the usual answer; made by one of the class methods."""

    kind: Kind
    code: int = 0
    body: str | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    retry_after: int | str | None = None
    release: threading.Event | None = None

    @classmethod
    def status(cls, code: int, body: str | bytes | None = None, headers: Mapping[str, str] | None = None) -> Self:
        """Nothing is processed, this is the answer; without ``body`` in the words of the provider."""
        return cls("status", code=code, body=body, headers=headers or {})

    @classmethod
    def throttle(cls, retry_after: int | str | None = None, *, code: int = 429) -> Self:
        """Nothing is processed, the caller shall slow down: seconds, an HTTP date, or what else the provider writes."""
        return cls("throttle", code=code, retry_after=retry_after)

    @classmethod
    def delay(cls, seconds: float) -> Self:
        """Everything is as usual, but begins later."""
        return cls("delay", seconds=seconds)

    @classmethod
    def hold(cls, release: threading.Event) -> Self:
        """Everything is as usual, but begins only when ``release`` is set."""
        return cls("hold", release=release)

    @classmethod
    def cut_upload(cls) -> Self:
        """The connection is reset when the request's head has come; the body is not read."""
        return cls("cut_upload")

    @classmethod
    def cut_before(cls) -> Self:
        """The connection is reset when the whole request has come; nothing is processed."""
        return cls("cut_before")

    @classmethod
    def accept_and_cut(cls) -> Self:
        """The request is processed, then the connection is reset without an answer."""
        return cls("cut_after")

    @classmethod
    def accept_and_hang(cls) -> Self:
        """The request is processed, and no answer ever comes."""
        return cls("hang_after")

    @classmethod
    def accept_and_hold(cls, release: threading.Event) -> Self:
        """The request is processed; the answer comes when ``release`` is set."""
        return cls("hold_after", release=release)


@dataclass(slots=True)
class _Rule:
    endpoint: str
    fault: Fault
    account: str
    left: int | None

    def fits(self, endpoint: str, account: str) -> bool:
        """Whether this rule is for that call and not used up; ``token`` is for ``token:refresh_token`` too."""
        mine = endpoint == self.endpoint or endpoint.startswith(f"{self.endpoint}:")
        return mine and self.left != 0 and self.account in ("", account)


class Faults:
    """Faults in order; the first that fits decides. Safe to change from another thread while the server runs."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def add(self, endpoint: str, fault: Fault, *, times: int | None = 1, account: str = "") -> None:
        """From now on, ``times`` times (``None``: until cleared), for ``account`` or for everybody."""
        with self._lock:
            self._rules.append(_Rule(endpoint, fault, account.lower(), times))

    def clear(self) -> None:
        """The provider behaves again."""
        with self._lock:
            self._rules.clear()

    def take(self, endpoint: str, account: str) -> Fault | None:
        """The fault for this call, which uses it up by one; ``None`` to behave."""
        with self._lock:
            for rule in self._rules:
                if rule.fits(endpoint, account.lower()):
                    if rule.left is not None:
                        rule.left -= 1
                    return rule.fault
        return None
