"""The settings page as plain values: where mail leaves from now, the ways to send, what waits, what happened."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.advice import Advice, advise
from config.choices import Status, Summary, TransportKind
from config.drafts import Draft
from config.grants import Grant
from config.languages import N_
from config.provider_form import ProviderForm
from config.trial_values import Trial
from config.web import forms
from config.web.offers import BY_KIND, GOOGLE, MICROSOFT
from config.web.views import Person, person, shown_mailbox
from config.web.views_domain import DomainShort
from config.web.views_history import ChangeView
from config.web.views_trial import TrialView, trial_view
from transports.errors import Code
from transports.message import Mailbox

DISCONNECT: Final = "/settings/disconnect"
_RECONNECT: Final = frozenset(
    map(str, (Code.RECONNECTION_NEEDED, Code.PERMISSION_MISSING, Code.ADMIN_CONSENT_NEEDED, Code.APP_CREDENTIALS))
)
"""What connecting again mends; the rest is mended elsewhere first."""


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

_STATUS: Final[Mapping[Status, tuple[str, str]]] = {
    Status.NOT_CONFIGURED: ("none", N_("Not configured")),
    Status.CONNECTED: ("warning", N_("Connected, not yet verified")),
    Status.VERIFIED: ("ok", N_("Verified")),
    Status.NEEDS_ATTENTION: ("bad", N_("Needs attention")),
}


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


@dataclass(frozen=True, slots=True)
class DraftView:
    """Settings that wait; ``fields`` give its form at ``path`` back, the password left out."""

    server: str
    path: str
    sender: str
    saved_at: datetime
    by: Person
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """An account that is connected and lacks its sender, which is entered at ``path``."""

    name: str
    email: str
    path: str


@dataclass(frozen=True, slots=True)
class SettingsView:
    """The page. ``server`` is empty for the platform default, and ``sender`` too if nobody here knows it.

    ``provider`` names the provider of a connected account; ``reconnect``: connecting it again is the next step.
    """

    server: str
    sender: str
    tone: str
    status: str
    since: datetime | None
    waits_for_verification: bool
    provider: str
    reconnect: bool
    attention: Advice | None
    retry_at: datetime | None
    edit_path: str
    cards: tuple[Card, ...]
    draft: DraftView | None
    waiting: Waiting | None
    trial: TrialView | None
    domain: DomainShort | None
    changes: tuple[ChangeView, ...]


def settings_view(
    summary: Summary | None,
    *,
    default_sender: Mailbox | None,
    draft: Draft | None,
    trial: Trial | None,
    domain: DomainShort | None,
    changes: Sequence[ChangeView],
    set_up: Collection[str] = (),
    candidate: Grant | None = None,
) -> SettingsView:
    """What there is to say about an organisation's settings; ``set_up``: see :func:`cards`."""
    status = summary.status if summary else Status.NOT_CONFIGURED
    tone, words = _STATUS[status]
    sender = summary.sender if summary else default_sender
    return SettingsView(
        server=server_name(summary) if summary else "",
        sender=shown_mailbox(sender) if sender else "",
        tone=tone,
        status=words,
        since=_since(summary, status),
        waits_for_verification=status is Status.CONNECTED,
        provider=server_name(summary) if summary and summary.kind in BY_KIND else "",
        reconnect=bool(summary and summary.kind in BY_KIND and summary.suspended_code in _RECONNECT),
        attention=_attention(summary),
        retry_at=summary.retry_at if summary else None,
        edit_path=edit_path(summary.kind) if summary else "",
        cards=cards(summary.kind if summary else None, set_up),
        draft=_draft(draft, summary.version if summary else 0) if draft else None,
        waiting=_waiting(candidate) if candidate and not (draft and draft.kind in BY_KIND) else None,
        trial=trial_view(trial) if trial else None,
        domain=domain,
        changes=tuple(changes),
    )


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


def _since(summary: Summary | None, status: Status) -> datetime | None:
    if summary is None:
        return None
    return {
        Status.NEEDS_ATTENTION: summary.suspended_at,
        Status.VERIFIED: summary.verified_at,
    }.get(status, summary.enabled_at)


def _attention(summary: Summary | None) -> Advice | None:
    if summary is None or summary.suspended_code is None:
        return None
    code = Code(summary.suspended_code) if summary.suspended_code in set(Code) else Code.INTERNAL_ERROR
    security, kind = summary.security or "", summary.kind
    return advise(code, host=summary.host or "", port=summary.port, security=security, kind=kind)


def _waiting(candidate: Grant) -> Waiting:
    offer = BY_KIND[TransportKind.of(candidate.provider)]
    return Waiting(offer.name, candidate.identity.email, offer.sender)


def _draft(draft: Draft, version: int) -> DraftView:
    form = draft.form
    if isinstance(form, ProviderForm):
        server = BY_KIND[draft.kind].name
        fields = {"sender_address": form.sender_address, "sender_alias": form.sender_alias, "grant": form.grant_id}
    else:
        server, fields = form.host, forms.form_fields(form)
    return DraftView(
        server=server,
        path=form_path(draft.kind),
        sender=shown_mailbox(Mailbox(form.sender_address, form.sender_alias)),
        saved_at=draft.saved_at,
        by=person(draft.by),
        fields=(*fields.items(), ("version", str(version))),
    )
