"""The sender's domain: what its public records say, looked up now or a moment ago."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from config.addresses import host_name
from config.choices import Summary
from config.dns.checks import selector_name
from config.dns.names import domain_name
from config.drafts import Draft
from config.languages import N_
from config.organizations_account import PROVIDER_SERVERS
from config.smtp_form import SmtpForm
from config.web import forms
from config.web.forms import Field
from config.web.pages_context import UNPROCESSABLE, Change, Fields, Look, Visit, see
from config.web.reports import Question, Reports
from config.web.views_domain import DomainShort, DomainView, domain_short, domain_view

router = APIRouter()

_TAB: Final = "/settings/domain"
_NOT_A_SELECTOR: Final = ("selector", N_("is not a selector: letters, digits, dashes and dots, without the domain"))
_LONGEST: Final = 120


@router.get("/settings/domain")
async def show(visit: Look) -> Response:
    """A report that is some minutes old at most."""
    question = await _question(visit)
    if question is None:
        return visit.page("domain.html", tab=_TAB, view=DomainView())
    reports = reports_of(visit)
    report = await reports.report(question)
    return visit.page("domain.html", tab=_TAB, view=domain_view(report, Field("selector", reports.selector(question))))


@router.post("/settings/domain")
async def check(visit: Change, fields: Fields) -> Response:
    """Looks again, with another DKIM selector if one was given."""
    question = await _question(visit)
    if question is None:
        return see(_TAB)
    reports, typed = reports_of(visit), fields.get("selector", "").strip()
    try:
        selector = selector_name(typed) if typed else ""
    except ValueError:
        problems = (_NOT_A_SELECTOR,)
        field = forms.with_mistakes("selector", typed[:_LONGEST], problems)
        view = domain_view(await reports.report(question), field, forms.listed(problems))
        return visit.page("domain.html", status=UNPROCESSABLE, tab=_TAB, view=view)
    await reports.report(question, selector=selector, refresh=True)
    return see(_TAB, done="checked")


def reports_of(visit: Visit) -> Reports:
    """The reports of this application, made with the first of them."""
    state = visit.request.app.state
    if not hasattr(state, "domain_reports"):
        state.domain_reports = Reports(visit.services.domains)
    reports: Reports = state.domain_reports
    return reports


def short_report(visit: Visit, summary: Summary | None, draft: Draft | None) -> DomainShort | None:
    """What the settings page says about the domain, without waiting for an answer; ``None`` for the platform's."""
    question = _about(visit, summary, draft)
    return domain_short(question.domain, reports_of(visit).remembered(question)) if question else None


async def _question(visit: Visit) -> Question | None:
    services, organization = visit.services, visit.organization
    return _about(visit, await services.organizations.describe(organization), await services.drafts.get(organization))


def _about(visit: Visit, summary: Summary | None, draft: Draft | None) -> Question | None:
    """The sender in use, else the one of the draft: somebody who is about to change wants to know before."""
    if summary is not None:
        address, server = summary.sender.address, _outgoing(summary.kind) or summary.host
    elif draft is not None:
        form = draft.form
        host = form.host if isinstance(form, SmtpForm) else None
        address, server = form.sender_address, _outgoing(draft.kind) or host
    else:
        return None
    try:
        return Question(visit.organization, domain_name(address.rpartition("@")[2]), _server(server))
    except ValueError:  # a draft may be anything
        return None


def _outgoing(kind: str) -> str | None:
    """The server that a connected account's mail leaves by, whichever way it is handed over."""
    known = {str(one): server.host for one, server in PROVIDER_SERVERS.items()}
    return known.get(kind)


def _server(host: str | None) -> str | None:
    try:
        return host_name(host) if host else None
    except ValueError:
        return None
