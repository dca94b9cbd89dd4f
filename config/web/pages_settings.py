"""The page of settings, its history, and the way back to the platform default."""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from config.choices import Summary
from config.errors import SettingsChanged, UnknownOrganization
from config.languages import N_
from config.oauth.values import Method
from config.web import cookies, forms
from config.web.offers import BY_KIND, OFFERS
from config.web.pages_context import UNPROCESSABLE, Change, Fields, Look, Visit, see
from config.web.pages_domain import short_report
from config.web.views import shown_mailbox
from config.web.views_history import PAGE, change_view, history_view
from config.web.views_settings import settings_view
from config.web.views_small import DisconnectView
from config.web.views_ways import server_name

router = APIRouter()

_NEWEST: Final = 5
_LARGEST_ID: Final = 2**63 - 1


@router.get("/")
async def home() -> Response:
    """There is one page to begin with."""
    return see("/settings")


@router.get("/settings")
async def settings(visit: Look) -> Response:
    """Where mail leaves from now, and everything that leads from there.

    Whoever was on the way to confirm a test mail when a sign-in was missing is taken there first.
    """
    if code := cookies.kept_code(visit.request.headers):
        onward = see("/settings/verify", code=code)
        onward.headers.append("Set-Cookie", cookies.forgetting_code())
        return onward
    services, organization = visit.services, visit.organization
    summary, draft, trial, changes, candidate = await asyncio.gather(
        services.organizations.describe(organization),
        services.drafts.get(organization),
        services.trial_rows.latest(organization),
        services.history.of(organization, limit=_NEWEST),
        services.grants.candidate(organization),
    )
    held = await services.held_back.of(organization, summary.endpoint) if summary else None
    view = settings_view(
        summary,
        default_sender=services.settings.default_sender,
        draft=draft,
        trial=trial,
        domain=short_report(visit, summary, draft),
        changes=[change_view(change) for change in changes],
        set_up=[offer.kind for offer in OFFERS if services.providers[offer.provider].configured],
        candidate=candidate,
        held=held,
    )
    return visit.page("settings.html", view=view)


@router.get("/settings/history")
async def history(visit: Look, before: Annotated[int | None, Query(ge=1, le=_LARGEST_ID)] = None) -> Response:
    """Who changed what, a page at a time."""
    changes = await visit.services.history.of(visit.organization, before=before, limit=PAGE + 1)
    return visit.page("history.html", tab="/settings/history", view=history_view(changes))


@router.post("/settings/draft/discard")
async def discard(visit: Change) -> Response:
    """Forgets the draft; the settings in use stay."""
    await visit.services.drafts.discard(visit.organization)
    return see("/settings", done="draft-discarded")


@router.get("/settings/disconnect")
async def ask_to_disconnect(visit: Look) -> Response:
    """Says what will happen, and asks."""
    return _disconnect_page(visit, await visit.services.organizations.describe(visit.organization))


@router.post("/settings/disconnect")
async def disconnect(visit: Change, fields: Fields) -> Response:
    """Returns the organisation to the platform default, if it was said explicitly (R6)."""
    summary = await visit.services.organizations.describe(visit.organization)
    if fields.get("confirm") != "yes":
        problem = (("confirm", N_("must be ticked: without it nothing is disconnected")),)
        return _disconnect_page(visit, summary, problem)
    seen = forms.version(fields)
    try:
        version = await visit.services.organizations.disconnect(visit.organization, actor=visit.actor, expected=seen)
    except (UnknownOrganization, SettingsChanged):
        return see("/settings", done="changed")
    visit.services.revoking.soon()
    await visit.services.announce(visit.organization, version)
    return see("/settings", done="disconnected")


def _disconnect_page(visit: Visit, summary: Summary | None, problems: tuple[tuple[str, str], ...] = ()) -> Response:
    default = visit.services.settings.default_sender
    view = DisconnectView(
        server=server_name(summary) if summary else "",
        sender=shown_mailbox(summary.sender) if summary else "",
        default_sender=shown_mailbox(default) if default else "",
        offer=BY_KIND.get(summary.kind) if summary else None,
        account=summary.account_email if summary else "",
        app=bool(summary and summary.method is Method.APP),
        version=summary.version if summary else 0,
        confirm=forms.with_mistakes("confirm", "", problems),
        problems=forms.listed(problems),
    )
    return visit.page("disconnect.html", status=UNPROCESSABLE if problems else 200, view=view)
