"""The page of a provider: what connecting means, and the way to its consent page."""

from typing import Final

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from config.logs import get_logger
from config.oauth.flows import Purpose
from config.oauth.values import Begun, Method, Way
from config.secrets import Secret
from config.web import rendering
from config.web.access import token_of
from config.web.connecting import connected
from config.web.errors import PageProblem
from config.web.forms_connect import way_of
from config.web.offers import OFFERS, Offer
from config.web.pages_context import Change, Fields, Look, Visit, see
from config.web.views import Shell, shown_mailbox
from config.web.views_connect import PERMISSIONS, REFUSALS, ConnectView, account_in_use, account_of, refusal_of
from transports.errors import DeliveryError, PlatformProblem

log = get_logger(__name__)
router = APIRouter()

SAME: Final = "same"
"""What a form says of the account when it is to be the one that is connected already."""


def _routes(offer: Offer) -> None:
    @router.get(offer.path)
    async def show(visit: Look) -> Response:
        """What connecting an account means, and which one is connected."""
        return visit.page("connect.html", view=await _view(visit, offer))

    @router.post(f"{offer.path}/connect")
    async def connect(visit: Change, fields: Fields) -> Response:
        """The way to the provider's consent page."""
        provider, way, hint = visit.services.providers[offer.provider], way_of(fields), ""
        if not provider.configured:
            raise PageProblem(404)
        if fields.get("account") == SAME:
            active = (await connected(visit, offer)).active
            hint = active.identity.email if active and active.method is Method.PERSON else ""
        try:
            begun = await provider.begin(
                way, address_of(visit, offer.callback), login_hint=hint, select_account=not hint
            )
        except DeliveryError as error:
            return refused(offer, problem_of(error), way=way)
        await _keep(visit, offer, way, begun, Purpose.CONNECT)
        return _leaving(visit, offer, begun.url)

    @router.post(f"{offer.path}/discard")
    async def discard(visit: Change) -> Response:
        """Gives up the account that was connected last and is not in use."""
        await visit.services.grants.discard_candidate(visit.organization)
        visit.services.revoking.soon()
        return see(offer.path, done="account-discarded")


def _admin_route(offer: Offer) -> None:
    @router.post(f"{offer.path}/administrator")
    async def ask_administrator(visit: Change, fields: Fields) -> Response:
        """The way to where an administrator of the customer's tenant consents for everybody."""
        provider, way, state = visit.services.providers[offer.provider], way_of(fields), visit.services.new_state()
        url = provider.admin_consent_url(way, address_of(visit, offer.admin_callback), state)
        if not (provider.configured and url):
            raise PageProblem(404)
        await _keep(visit, offer, way, Begun(url, state, Secret("")), Purpose.ADMIN_CONSENT)
        return _leaving(visit, offer, url)


for _offer in OFFERS:
    _routes(_offer)
    if _offer.admin_callback:
        _admin_route(_offer)


def _leaving(visit: Visit, offer: Offer, url: str) -> HTMLResponse:
    """A page that leads to the provider by itself.

    No redirection: a form may lead to us alone, and browsers hold every further address that a form's answer redirects
    to against ``form-action``, too (CSP Level 3 §6.4.3), so also that of a customer's own sign-in, to which a provider
    may send people on. A refresh after 0 seconds is none of the form's, and takes this page's place in the history
    (HTML, "shared declarative refresh steps"), so that the way back leads past it.
    """
    # Nobody's shell: its forms would be sent without an origin from here, and so be refused.
    text = rendering.page("leaving.html", visit.language, shell=Shell(), offer=offer, url=url)
    return HTMLResponse(text, headers={"Referrer-Policy": "no-referrer"})


def address_of(visit: Visit, path: str) -> str:
    """A path of ours as the provider knows it, among the registered redirect addresses."""
    return f"{visit.services.settings.base_url}{path}"


def refused(offer: Offer, code: str, *, way: Way, number: str = "") -> RedirectResponse:
    """Back to the provider's page, which then says what was in the way."""
    query = {"refused": code if code in REFUSALS else "invalid", "way": way.value} | (
        {"number": number} if number else {}
    )
    return see(offer.path, **query)


def problem_of(error: DeliveryError) -> str:
    """A failure that is nobody's decision, in the page's codes; ours are for the log as well."""
    if isinstance(error, PlatformProblem):
        log.error("the provider does not take the platform’s app", code=error.code, detail=error.detail)
        return "platform"
    log.warning("the provider could not be asked", code=error.code, detail=error.detail)
    return "unavailable"


async def _view(visit: Visit, offer: Offer) -> ConnectView:
    query, now = visit.request.query_params, await connected(visit, offer)
    account = account_of(now.active) if now.active else account_in_use(now.summary, offer)
    way = way_of(query) if "way" in query else account.way if account else Way.API
    return ConnectView(
        offer=offer,
        configured=visit.services.providers[offer.provider].configured,
        way=way,
        permissions=tuple((one, PERMISSIONS[offer.provider, one]) for one in Way),
        account=account,
        sender=shown_mailbox(now.summary.sender) if account and now.summary else "",
        attention=bool(account and now.summary and now.summary.suspended_code),
        waiting=account_of(now.candidate) if now.candidate else None,
        refusal=refusal_of(query.get("refused", ""), offer, query.get("number", ""), query.get("incident", "")),
    )


async def _keep(visit: Visit, offer: Offer, way: Way, begun: Begun, purpose: Purpose) -> None:
    token = token_of(visit.request)
    await visit.services.flows.begin(visit.organization, offer.provider, way, token, begun, purpose, visit.actor)
