"""The ways to send, as the pages name and offer them; a further provider is a further row."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from config.choices import Summary, TransportKind
from config.languages import N_
from config.web.offers import BY_KIND, GOOGLE, MICROSOFT

DISCONNECT: Final = "/settings/disconnect"
LIMITS: Final = "/settings/limits"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to send of one's own; ``app_path`` is where it begins without an app of the platform's at the provider."""

    kind: TransportKind
    title: str
    text: str
    path: str
    app_path: str = ""


OFFERED: Final = (
    Way(
        TransportKind.SMTP,
        N_("Custom SMTP"),
        N_("Your own mail server or your provider’s, with a user name and a password, always over TLS."),
        "/settings/smtp",
    ),
    Way(
        MICROSOFT.kind,
        MICROSOFT.name,
        N_("A mailbox of your Microsoft 365 tenant, connected with your consent and without a password here."),
        MICROSOFT.path,
        MICROSOFT.app,
    ),
    Way(
        GOOGLE.kind,
        GOOGLE.name,
        N_("A Gmail or Google Workspace account, connected with your consent and without a password here."),
        GOOGLE.path,
        GOOGLE.app,
    ),
)
"""The cards after the platform default; a further provider is a further row."""


@dataclass(frozen=True, slots=True)
class Card:
    """A way to send; ``state`` is ``in_use``, ``available`` or ``own_app``. Without ``path`` there is no button.

    ``own_app``: the platform has no app at the provider, but one of the organisation's own can be used.
    """

    title: str
    text: str
    state: str
    path: str = ""
    action: str = ""


def cards(used: str | None, set_up: Collection[str] = ()) -> tuple[Card, ...]:
    """All ways to send, the platform default first; ``used`` is the kind in use, ``None`` for the default.

    ``set_up`` are the kinds at whose provider the platform has an app.
    """
    default = Card(
        N_("Platform default"),
        N_("The platform’s own mail service sends from the platform’s address. There is nothing to look after."),
        "available" if used else "in_use",
        DISCONNECT if used else "",
        N_("Return to this…"),
    )
    return (default, *(_card(way, used, set_up) for way in OFFERED))


def server_name(summary: Summary) -> str:
    """How the way out is called: the host of an SMTP server, or the provider's name."""
    if summary.kind == TransportKind.SMTP and summary.host:
        return summary.host
    return next((way.title for way in OFFERED if way.kind == summary.kind), summary.kind)


def edit_path(kind: str) -> str:
    """Where settings of this kind are changed; empty where that is not to be had."""
    return next((way.path for way in OFFERED if way.kind == kind), "")


def form_path(kind: str) -> str:
    """Where the form is that settings of this kind are tested from; empty where that is not to be had."""
    return BY_KIND[kind].sender if kind in BY_KIND else edit_path(kind)


def _card(way: Way, used: str | None, set_up: Collection[str]) -> Card:
    if way.kind == used:
        return Card(way.title, way.text, "in_use", way.path, N_("Change the settings"))
    if way.app_path and way.kind not in set_up:
        return Card(way.title, way.text, "own_app", way.app_path, N_("Use an app of your own…"))
    return Card(way.title, way.text, "available", way.path, N_("Set up"))
