"""What the JSON API tells besides the settings: the sender's domain, and the history of changes."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Query

from config.dns.report import DomainReport
from config.drafts import Draft
from config.organizations_account import PROVIDER_SERVERS
from config.smtp_form import SmtpForm
from config.web import api_problems as wrong
from config.web import api_views
from config.web.access import Administrator, SignedIn
from config.web.api_context import TheServices, TheTexts
from config.web.api_inputs import SELECTOR, DomainIn
from config.web.api_models_records import DomainOut, HistoryOut
from config.web.errors import INVALID_REQUEST, ApiProblem
from config.web.services import Services

_PAGE: Final = 50
_MOST: Final = 100
_CURSOR: Final = Query(pattern=r"^[0-9]{1,18}$", description="`next_cursor` of the page before.")
_LIMIT: Final = Query(ge=1, le=_MOST, description="How many changes at most.")
_SELECTOR: Final = Query(
    max_length=120, pattern=SELECTOR, description="A DKIM selector of the domain; without it the usual ones are tried."
)
_PROVIDERS: Final = {str(kind): server.host for kind, server in PROVIDER_SERVERS.items()}
"""The server that a connected account's mail leaves by, whichever way it is handed over."""

router = APIRouter()


@router.get(
    "/domain",
    tags=["domain"],
    operation_id="getDomain",
    summary="The sender's domain",
    responses=wrong.documented(*wrong.SIGNED_IN, INVALID_REQUEST, wrong.NO_DOMAIN),
)
async def get_domain(
    session: SignedIn,
    services: TheServices,
    texts: TheTexts,
    selector: Annotated[str | None, _SELECTOR] = None,
) -> DomainOut:
    """What the public records of the sender's domain say: SPF, DKIM, DMARC and MX.

    The sender is that in use, else that of the draft. Answers are kept for some minutes.
    """
    return api_views.domain_out(await _report(services, session.organization, selector), texts)


@router.post(
    "/domain",
    tags=["domain"],
    operation_id="checkDomain",
    summary="Look at the sender's domain again",
    responses=wrong.documented(*wrong.CHANGE, *wrong.BODY, wrong.NO_DOMAIN),
)
async def check_domain(
    session: Administrator,
    services: TheServices,
    texts: TheTexts,
    where: Annotated[DomainIn | None, Body()] = None,
) -> DomainOut:
    """The same, asked anew: after a record was changed. Soon after another time it gives that answer again."""
    selector = where.selector if where else None
    return api_views.domain_out(await _report(services, session.organization, selector, refresh=True), texts)


async def _report(
    services: Services, organization: str, selector: str | None, *, refresh: bool = False
) -> DomainReport:
    summary = await services.organizations.describe(organization)
    draft = None if summary else await services.drafts.get(organization)
    address = summary.sender.address if summary else draft.form.sender_address if draft else ""
    kind = summary.kind if summary else draft.kind if draft else ""
    server = _PROVIDERS.get(kind) or (summary.host if summary else _host(draft))
    selectors = [selector.lower()] if selector else []
    try:
        return await services.domains(
            address.rpartition("@")[2], server=server or None, selectors=selectors, refresh=refresh
        )
    except ValueError as error:  # a draft may be anything
        raise ApiProblem(wrong.NO_DOMAIN) from error


def _host(draft: Draft | None) -> str | None:
    return draft.form.host if draft is not None and isinstance(draft.form, SmtpForm) else None


@router.get(
    "/history",
    tags=["history"],
    operation_id="listChanges",
    summary="Changes of the settings",
    responses=wrong.documented(*wrong.SIGNED_IN, INVALID_REQUEST),
)
async def list_changes(
    session: SignedIn,
    services: TheServices,
    cursor: Annotated[str | None, _CURSOR] = None,
    limit: Annotated[int, _LIMIT] = _PAGE,
) -> HistoryOut:
    """Who changed what and when, newest first; of secrets only that they changed. The newest 500 are kept."""
    before = int(cursor) if cursor is not None else None
    found = await services.history.of(session.organization, before=before, limit=limit + 1)
    more = len(found) > limit
    changes = [api_views.change_out(change) for change in found[:limit]]
    return HistoryOut(changes=changes, next_cursor=str(changes[-1].id) if more else None)
