"""Where a provider sends the browser back to: what it brought counts once, for the session that went there.

Whatever comes of it, the answer leads to an address without the query, that of a problem, too
(:mod:`config.web.returning`): the browser keeps that one in its history. The query is read here alone and never written
anywhere.
"""

from collections.abc import Mapping

from fastapi import APIRouter
from fastapi.responses import Response

from config.logs import get_logger
from config.oauth.flows import Flow, Purpose
from config.oauth.provider import ConsentRefused
from config.oauth.values import Method, Way
from config.web import errors
from config.web.access import token_of
from config.web.errors import WebProblem
from config.web.offers import OFFERS, Offer
from config.web.pages_connect import problem_of, refused
from config.web.pages_context import Change, Visit, see
from config.web.visits import is_visit
from transports.errors import DeliveryError

log = get_logger(__name__)
router = APIRouter()


def _route(offer: Offer) -> None:
    @router.get(offer.callback)
    async def callback(visit: Change) -> Response:
        """After a person consented, or did not.

        The account in use, connected anew for the same purpose, is put to use at once, so that what waits for it
        leaves; any other is a candidate until its sender was tried.
        """
        query = _query(visit)
        flow = await _flow(visit, offer, query, Purpose.CONNECT)
        return await _finish(visit, offer, flow, query) if flow else _expired(offer)


def _admin_route(offer: Offer) -> None:
    @router.get(offer.admin_callback)
    async def administrator_consented(visit: Change) -> Response:
        """After an administrator of the tenant consented for everybody, or did not.

        What the query says about the tenant is the visitor's word and counts for nothing; that it says that consent
        was given is not so much as proof of that: whether it was, signing in will show.
        """
        query = _query(visit)
        flow = await _flow(visit, offer, query, Purpose.ADMIN_CONSENT)
        if flow is None:
            return _expired(offer)
        if "error" in query:
            return refused(offer, "not_agreed", way=flow.way)
        return see(offer.path, done="administrator-agreed", way=flow.way)


for _offer in OFFERS:
    _route(_offer)
    if _offer.admin_callback:
        _admin_route(_offer)


def _query(visit: Visit) -> Mapping[str, str]:
    """The query, nothing of it if a name stands twice: no provider does that.

    Raises:
        WebProblem: nobody came; a browser only looks ahead, and nothing may be used up.
    """
    if not is_visit(visit.request):
        raise WebProblem(errors.NOT_COME_BACK)
    items = visit.request.query_params.multi_items()
    return dict(items) if len({name for name, _ in items}) == len(items) else {}


async def _flow(visit: Visit, offer: Offer, query: Mapping[str, str], purpose: Purpose) -> Flow | None:
    """What was kept when this session went there; it can be had once."""
    flow = await visit.services.flows.take(query.get("state", ""), token_of(visit.request))
    if flow is None:
        return None
    meant = flow.organization, flow.provider, flow.purpose
    return flow if meant == (visit.organization, offer.provider, purpose) else None


async def _finish(visit: Visit, offer: Offer, flow: Flow, query: Mapping[str, str]) -> Response:
    services = visit.services
    try:
        given = await services.providers[offer.provider].finish(flow.way, flow.flow, query)
    except ConsentRefused as refusal:
        log.info("an account was not connected", reason=refusal.code, detail=refusal.detail)
        number = "".join(letter for letter in refusal.detail if letter.isdigit()) if offer.admin_callback else ""
        return refused(offer, refusal.code, way=flow.way, number=number)
    except DeliveryError as error:
        return refused(offer, problem_of(error), way=flow.way)
    if given.identity is None:
        return refused(offer, "invalid", way=flow.way)
    await services.grants.add_candidate(
        visit.organization, offer.provider, Method.PERSON, flow.way, given, given.identity, visit.actor
    )
    version = await services.organizations.reconnect(visit.organization, actor=visit.actor)
    # What the new grant took the place of, a candidate or the one in use, was retired.
    services.revoking.soon()
    if version is None:
        return see(offer.sender)
    await services.announce(visit.organization, version)
    return see("/settings", done="reconnected")


def _expired(offer: Offer) -> Response:
    return refused(offer, "expired", way=Way.API)
