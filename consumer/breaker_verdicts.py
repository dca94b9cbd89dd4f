"""Which breakers stand in a route's way, and what the end of a mail does to each of them: pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from config.breaker_keys import ACCOUNT, ENDPOINT, PLATFORM, key_of
from consumer.attribution import CERTAIN, SPOKEN, Blame
from consumer.breaker import Rules, worn_out
from consumer.breaker_entry import Entry
from consumer.routing import DEFAULT, Route
from transports.errors import Code, DeliveryError
from transports.gmail.settings import GmailSettings
from transports.microsoft365.settings import Microsoft365Settings
from transports.settings import TransportSettings
from transports.smtp.settings import SmtpSettings

STORE: Final = key_of(PLATFORM, "store")
EGRESS: Final = key_of(PLATFORM, "egress")
DNS: Final = key_of(PLATFORM, "dns")
DEFAULT_WAY: Final = key_of(PLATFORM, DEFAULT)
_LOCAL: Final = frozenset({STORE, EGRESS, DNS})

_OF_THE_WAY: Final = Rules()
_OF_THE_PLATFORM: Final = Rules(longest=300.0)
_OF_THIS_PROCESS: Final = Rules(first=10.0, growth=1.5, longest=30.0)
_OF_THE_STORE: Final = Rules(first=1.0, longest=30.0, jitter=0.0, again=60.0)
"""No mail probes it, so it is asked at once; only one that works for a moment now and then is left in peace."""

_DOUBTFUL: Final = frozenset({Code.SENDER_REFUSED, Code.QUOTA_EXHAUSTED, Code.INTERNAL_ERROR})
"""Refusals of our own relay that may be about one mail; so many in a row are not."""
_DOUBTS: Final = 3

_MOST_WAYS: Final = 10_000

_MANY: Final = 2
_MANY_SILENT: Final = 3
"""Accounts that must have met a fault before their server is blamed: one that is the server's by its nature, and one
that may be each account's."""


class Effect(StrEnum):
    """What the end of a mail means for one breaker."""

    ANSWERED = "answered"
    FAILED = "failed"
    UNCLEAR = "unclear"


def rules_of(key: str) -> Rules:
    """The rules of a breaker, by its key."""
    if key in _LOCAL:
        return _OF_THE_STORE if key == STORE else _OF_THIS_PROCESS
    return _OF_THE_PLATFORM if holds_many(key) else _OF_THE_WAY


def is_local(key: str) -> bool:
    """Whether a breaker is about this process only."""
    return key in _LOCAL


def kind_of(key: str) -> str:
    """``account``, ``endpoint`` or ``platform``."""
    return key.partition(":")[0]


def name_of(key: str) -> str:
    """What a breaker is about: an organisation, a server, or what of the platform's."""
    return key.partition(":")[2]


def holds_many(key: str) -> bool:
    """Whether a breaker can be one of :func:`way_of`'s: the platform's, or a provider's API (which has no port)."""
    return kind_of(key) == PLATFORM or (kind_of(key) == ENDPOINT and ":" not in name_of(key))


def scopes_of(route: Route) -> tuple[str, ...]:
    """The keys of the breakers that a mail by this route has to pass."""
    if route.platform:
        return (STORE, key_of(PLATFORM, route.transport))
    return (*way_of(route), *_own(route))


def way_of(route: Route) -> tuple[str, ...]:
    """Those of them that hold more than one organisation because of the platform, or of a provider."""
    if route.platform:
        return scopes_of(route)
    shared: tuple[str, ...] = (STORE, EGRESS, DNS)
    if _by_our_app(route):
        shared = (*shared, key_of(PLATFORM, route.transport))
    return (*shared, key_of(ENDPOINT, route.endpoint)) if _by_api(route) else shared


def _own(route: Route) -> tuple[str, ...]:
    account = key_of(ACCOUNT, route.key)
    return (account,) if _by_api(route) else (key_of(ENDPOINT, route.endpoint), account)


def by_server(route: Route) -> bool:
    """Whether a mail goes to a server that somebody chose, rather than to a provider's API."""
    return isinstance(route.account.settings, SmtpSettings)


def _by_api(route: Route) -> bool:
    return not by_server(route)


def _by_our_app(route: Route) -> bool:
    match route.account.settings:
        case SmtpSettings(grant=grant):
            return grant is not None
        case GmailSettings(own_app=own_app):
            return not own_app
        case Microsoft365Settings(user=user):
            return not user  # only an app of the organisation's own has to name the mailbox


@dataclass(frozen=True, slots=True)
class Way:
    """What :func:`scopes_of` and :func:`way_of` say."""

    settings: TransportSettings
    scopes: tuple[str, ...]
    shared: tuple[str, ...]


class Ways:
    """The ways of routes, kept because every mail asks for its own twice or more."""

    def __init__(self) -> None:
        self._known: dict[str, Way] = {}

    def of(self, route: Route) -> Way:
        """The way of a route."""
        known, settings = self._known.get(route.key), route.account.settings
        if known is None or known.settings is not settings:
            if len(self._known) >= _MOST_WAYS:
                self._known.clear()
            known = self._known[route.key] = Way(settings, scopes_of(route), way_of(route))
        return known


def effect(key: str, route: Route, blame: Blame, error: DeliveryError | None) -> Effect:
    """What the end of a mail means for the breaker of this key."""
    kind = kind_of(key)
    unasked = error is not None and error.code is Code.STORE_UNAVAILABLE
    if key in _LOCAL or unasked or blame is Blame.NOTHING:
        return Effect.UNCLEAR
    if blame is Blame.ANSWERED or (blame is Blame.SETTINGS and kind == ACCOUNT):
        return Effect.ANSWERED
    if kind == ACCOUNT:
        # A fault of ours may be one account's only: a token that cannot be opened, say.
        ours = blame is Blame.PLATFORM and error is not None and error.code not in CERTAIN
        counts = ours or blame in (Blame.ACCOUNT, Blame.ENDPOINT)
    elif kind == ENDPOINT:
        if error is not None and _spoke(route, error):
            return Effect.ANSWERED
        counts = blame is Blame.ENDPOINT or (blame is Blame.ACCOUNT and _by_api(route))
    else:
        counts = blame is Blame.PLATFORM or (route.platform and blame in (Blame.ACCOUNT, Blame.ENDPOINT))
    return Effect.FAILED if counts else Effect.UNCLEAR


def _spoke(route: Route, error: DeliveryError) -> bool:
    """Whether the route's SMTP server said something, if only to this account."""
    match route.account.settings:
        case SmtpSettings(grant=grant):
            # With a grant it may have been who gives out the tokens.
            return error.code in SPOKEN or (error.code is Code.SIGN_IN_UNAVAILABLE and grant is None)
    return False


def proven(entry: Entry, route: Route, blame: Blame, error: DeliveryError) -> bool:
    """Whether what has failed so far is enough to open this breaker."""
    kind, worn = kind_of(entry.key), worn_out(entry.breaker, entry.rules)
    if kind == ACCOUNT:
        return worn
    if kind == ENDPOINT:
        return worn and len(entry.accounts) >= (_MANY if blame is Blame.ENDPOINT else _MANY_SILENT)
    if blame is not Blame.PLATFORM:
        return worn
    if route.platform:
        return error.code not in _DOUBTFUL or entry.breaker.failures >= _DOUBTS
    return error.code in CERTAIN or len(entry.accounts) >= _MANY
