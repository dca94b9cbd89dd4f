"""The settings page as plain values: where mail leaves from now, the ways to send, what waits, what happened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.advice import Advice, advise
from config.choices import Status, Summary, TransportKind
from config.drafts import Draft
from config.languages import N_
from config.trial_values import Trial
from config.web import forms
from config.web.views import Person, person, shown_mailbox
from config.web.views_domain import DomainShort
from config.web.views_history import ChangeView
from config.web.views_trial import TrialView, trial_view
from transports.errors import Code
from transports.message import Mailbox

DISCONNECT: Final = "/settings/disconnect"


@dataclass(frozen=True, slots=True)
class Provider:
    """A way to send of one's own; without ``path`` this installation does not have it."""

    kind: TransportKind
    title: str
    text: str
    path: str = ""


OFFERED: Final = (
    Provider(
        TransportKind.SMTP,
        N_("Custom SMTP"),
        N_("Your own mail server or your provider’s, with a user name and a password, always over TLS."),
        "/settings/smtp",
    ),
    Provider(
        TransportKind.MICROSOFT365,
        "Microsoft 365",
        N_("A mailbox of your Microsoft 365 tenant, connected with your consent and without a password here."),
    ),
    Provider(
        TransportKind.GMAIL,
        "Google",
        N_("A Gmail or Google Workspace account, connected with your consent and without a password here."),
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
    """A way to send; ``state`` is ``in_use``, ``available`` or ``unavailable``. Without ``path`` there is no button."""

    title: str
    text: str
    state: str
    path: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class DraftView:
    """Settings that wait; ``fields`` give its form back, the password left out."""

    server: str
    sender: str
    saved_at: datetime
    by: Person
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class SettingsView:
    """The page. ``server`` is empty for the platform default, and ``sender`` too if nobody here knows it."""

    server: str
    sender: str
    tone: str
    status: str
    since: datetime | None
    waits_for_verification: bool
    attention: Advice | None
    retry_at: datetime | None
    edit_path: str
    cards: tuple[Card, ...]
    draft: DraftView | None
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
) -> SettingsView:
    """What there is to say about an organisation's settings."""
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
        attention=_attention(summary),
        retry_at=summary.retry_at if summary else None,
        edit_path=edit_path(summary.kind) if summary else "",
        cards=cards(summary.kind if summary else None),
        draft=_draft(draft, summary.version if summary else 0) if draft else None,
        trial=trial_view(trial) if trial else None,
        domain=domain,
        changes=tuple(changes),
    )


def cards(used: str | None) -> tuple[Card, ...]:
    """All ways to send, the platform default first; ``used`` is the kind in use, ``None`` for the default."""
    default = Card(
        N_("Platform default"),
        N_("The platform’s own mail service sends from the platform’s address. There is nothing to look after."),
        "available" if used else "in_use",
        DISCONNECT if used else "",
        N_("Return to this…"),
    )
    return (default, *(_card(provider, used) for provider in OFFERED))


def server_name(summary: Summary) -> str:
    """How the way out is called: the host of an SMTP server, or the provider's name."""
    if summary.kind == TransportKind.SMTP and summary.host:
        return summary.host
    return next((provider.title for provider in OFFERED if provider.kind == summary.kind), summary.kind)


def edit_path(kind: str) -> str:
    """Where settings of this kind are changed; empty where that is not to be had."""
    return next((provider.path for provider in OFFERED if provider.kind == kind), "")


def _card(provider: Provider, used: str | None) -> Card:
    if provider.kind == used:
        return Card(provider.title, provider.text, "in_use", provider.path, N_("Change the settings"))
    if not provider.path:
        return Card(provider.title, provider.text, "unavailable")
    return Card(provider.title, provider.text, "available", provider.path, N_("Set up"))


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
    return advise(code, host=summary.host or "", port=summary.port, security=summary.security or "")


def _draft(draft: Draft, version: int) -> DraftView:
    form = draft.form
    return DraftView(
        server=form.host,
        sender=shown_mailbox(Mailbox(form.sender_address, form.sender_alias)),
        saved_at=draft.saved_at,
        by=person(draft.by),
        fields=(*forms.form_fields(form).items(), ("version", str(version))),
    )
