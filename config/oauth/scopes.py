"""Which permissions are asked for, by provider, way and cloud: as few as sending needs. Pure."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from config.oauth.values import Way

GMAIL_SEND: Final = "https://www.googleapis.com/auth/gmail.send"
MAIL_GOOGLE: Final = "https://mail.google.com/"
_GOOGLE: Final = {Way.API: GMAIL_SEND, Way.SMTP: MAIL_GOOGLE}
_IDENTITY: Final = ("openid", "email")

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


def google_needed(way: Way) -> str:
    """The scope without which nothing can be sent."""
    return _GOOGLE[way]


def google_asked(way: Way) -> tuple[str, ...]:
    """What a person is asked for: sending, and who they are."""
    return (*_IDENTITY, _GOOGLE[way])


def microsoft_needed(way: Way) -> str:
    """The permission without which nothing can be sent, by its short name."""
    return _MICROSOFT[way]


def microsoft_asked(way: Way, graph_url: str, *, large_mails: bool = False) -> tuple[str, ...]:
    """What a person is asked for, as full scope names of the cloud that Graph's address belongs to."""
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
