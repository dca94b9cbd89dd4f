"""Which permissions are asked for, by provider, way and cloud: as few as sending needs. Pure."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from config.oauth.values import Method, Provider, Way

GMAIL_SEND: Final = "https://www.googleapis.com/auth/gmail.send"
MAIL_GOOGLE: Final = "https://mail.google.com/"
_GOOGLE: Final = {Way.API: GMAIL_SEND, Way.SMTP: MAIL_GOOGLE}
_EMAIL: Final = "email"
_IDENTITY: Final = ("openid", _EMAIL)

MAIL_SEND: Final = "Mail.Send"
MAIL_READ_WRITE: Final = "Mail.ReadWrite"
SMTP_SEND: Final = "SMTP.Send"
_MICROSOFT: Final = {Way.API: MAIL_SEND, Way.SMTP: SMTP_SEND}

_GRAPH: Final = "https://graph.microsoft.com"
_OUTLOOK: Final = {
    "graph.microsoft.com": ("https://outlook.office.com", "https://outlook.office365.com"),
    "graph.microsoft.us": ("https://outlook.office365.us", "https://outlook.office365.us"),
    "dod-graph.microsoft.us": ("https://outlook-dod.office365.us", "https://outlook-dod.office365.us"),
    "microsoftgraph.chinacloudapi.cn": ("https://partner.outlook.cn", "https://partner.outlook.cn"),
}
"""Clouds by Graph's host: Exchange's audience for a person's consent, and for an app's."""


def with_mailbox(provider: Provider, scopes: Iterable[str], *, known: bool) -> frozenset[str]:
    """The scopes of a consent as they are kept: Microsoft's ``email`` if, and only if, it said which mailbox it is."""
    if provider is not Provider.MICROSOFT:
        return frozenset(scopes)
    kept = frozenset(scopes) - {_EMAIL}
    return kept | {_EMAIL} if known else kept


def mailbox_known(provider: Provider, method: Method, scopes: Iterable[str]) -> bool:
    """Whether the address of a grant is that of its mailbox, by the scopes it is kept with.

    Microsoft's sign-in name is an address that need not be one of the mailbox's; Google's is, and an app's was entered.
    """
    return provider is not Provider.MICROSOFT or method is Method.APP or _EMAIL in scopes


def google_needed(way: Way) -> str:
    """The scope without which nothing can be sent."""
    return _GOOGLE[way]


def google_asked(way: Way) -> tuple[str, ...]:
    """What a person is asked for: sending, and who they are."""
    return (*_IDENTITY, _GOOGLE[way])


def microsoft_needed(way: Way) -> str:
    """The permission without which nothing can be sent, by its short name."""
    return _MICROSOFT[way]


def microsoft_consent(way: Way, graph_url: str, *, large_mails: bool = False) -> tuple[str, ...]:
    """What a person is asked for: :func:`microsoft_asked`, and by Graph the mailbox's address.

    For SMTP the name that the account signs in with is what is needed.
    """
    asked = microsoft_asked(way, graph_url, large_mails=large_mails)
    return asked if way is Way.SMTP else (*asked, _EMAIL)


def microsoft_asked(way: Way, graph_url: str, *, large_mails: bool = False) -> tuple[str, ...]:
    """The permissions of a token, as full scope names of the cloud that Graph's address belongs to."""
    if way is Way.SMTP:
        return (f"{_cloud(graph_url)[1][0]}/{SMTP_SEND}",)
    names = (MAIL_SEND, MAIL_READ_WRITE) if large_mails else (MAIL_SEND,)
    return tuple(f"{_audience(graph_url)}/{name}" for name in names)


def microsoft_app(way: Way, graph_url: str) -> str:
    """What an app asks for: all that was given to it at this audience."""
    return f"{_cloud(graph_url)[1][1] if way is Way.SMTP else _audience(graph_url)}/.default"


def short(granted: Iterable[str]) -> frozenset[str]:
    """Microsoft's scopes by their short names: they come with or without the audience in front."""
    return frozenset(scope.rsplit("/", 1)[-1] for scope in granted)


def has(granted: Iterable[str], needed: str) -> bool:
    """Whether a scope was granted; Microsoft does not keep upper and lower case apart."""
    return needed.lower() in {scope.lower() for scope in granted}


def _audience(graph_url: str) -> str:
    host, _ = _cloud(graph_url)
    return f"https://{host}"


def _cloud(graph_url: str) -> tuple[str, tuple[str, str]]:
    # An address that is no cloud's is a sandbox's or a proxy's: what stands behind it is the public cloud.
    host = urlsplit(graph_url).hostname or ""
    known = host if host in _OUTLOOK else urlsplit(_GRAPH).hostname or ""
    return known, _OUTLOOK[known]
