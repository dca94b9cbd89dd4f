"""The settings page as plain values: where mail leaves from now, the ways to send, what waits, what happened."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from config.advice import Advice, advise
from config.choices import Status, Summary, TransportKind
from config.drafts import Draft
from config.grants import Grant
from config.held_back import HeldBack
from config.languages import N_
from config.provider_form import ProviderForm
from config.trial_values import Trial
from config.web import forms
from config.web.offers import BY_KIND
from config.web.views import Person, person, shown_mailbox
from config.web.views_domain import DomainShort
from config.web.views_history import ChangeView
from config.web.views_limits import HeldView, LimitsShort, held_view, limits_short
from config.web.views_trial import TrialView, trial_view
from config.web.views_ways import Card, cards, edit_path, form_path, server_name
from transports.errors import Code
from transports.message import Mailbox

_RECONNECT: Final = frozenset(
    map(str, (Code.RECONNECTION_NEEDED, Code.PERMISSION_MISSING, Code.ADMIN_CONSENT_NEEDED, Code.APP_CREDENTIALS))
)
"""What connecting again mends; the rest is mended elsewhere first."""


_STATUS: Final[Mapping[Status, tuple[str, str]]] = {
    Status.NOT_CONFIGURED: ("none", N_("Not configured")),
    Status.CONNECTED: ("warning", N_("Connected, not yet verified")),
    Status.VERIFIED: ("ok", N_("Verified")),
    Status.NEEDS_ATTENTION: ("bad", N_("Needs attention")),
}


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
    ``held`` says why mail waits though nothing needs to be mended here.
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
    held: HeldView | None
    limits: LimitsShort | None
    edit_path: str
    cards: tuple[Card, ...]
    draft: DraftView | None
    waiting: Waiting | None
    trial: TrialView | None
    domain: DomainShort | None
    changes: tuple[ChangeView, ...]


def settings_view(  # noqa: PLR0913 - each part of the page
    summary: Summary | None,
    *,
    default_sender: Mailbox | None,
    draft: Draft | None,
    trial: Trial | None,
    domain: DomainShort | None,
    changes: Sequence[ChangeView],
    set_up: Collection[str] = (),
    candidate: Grant | None = None,
    held: HeldBack | None = None,
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
        held=held_view(held, summary) if held and summary and not summary.suspended_code else None,
        limits=limits_short(summary),
        edit_path=edit_path(summary.kind) if summary else "",
        cards=cards(summary.kind if summary else None, set_up),
        draft=_draft(draft, summary.version if summary else 0) if draft else None,
        waiting=_waiting(candidate) if candidate and not (draft and draft.kind in BY_KIND) else None,
        trial=trial_view(trial) if trial else None,
        domain=domain,
        changes=tuple(changes),
    )


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
