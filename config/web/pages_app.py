"""An app of the organisation's own instead of a person's consent: what its administrator does, and the form for it."""

from fastapi import APIRouter
from fastapi.responses import Response

from config.errors import InvalidSettings
from config.oauth import app_form
from config.oauth.values import Method
from config.web.connecting import connected
from config.web.forms_connect import app_form as entered_app
from config.web.forms_connect import app_view, way_of
from config.web.offers import OFFERS, Offer
from config.web.pages_context import UNPROCESSABLE, Change, Fields, see

router = APIRouter()


def _routes(offer: Offer) -> None:
    @router.get(offer.app)
    async def show(visit: Change) -> Response:
        """The form; what is secret of an app in use is never in it."""
        active = (await connected(visit, offer)).active
        in_use = active is not None and active.method is Method.APP
        values = {"way": way_of(visit.request.query_params).value}
        if active is not None and in_use:
            known = active.identity
            values |= {"way": active.way.value, "mailbox": known.email, "tenant": known.tenant}
            values["client_id"] = app_form.client_id_of(known)
        return visit.page("app.html", view=app_view(offer, values, in_use=in_use))

    @router.post(offer.app)
    async def save(visit: Change, fields: Fields) -> Response:
        """Keeps the app sealed, not in use; the sender is next."""
        try:
            credentials = await app_form.checked_in_time(offer.provider, entered_app(fields))
        except InvalidSettings as error:
            view = app_view(offer, fields, in_use=False, problems=error.problems)
            return visit.page("app.html", status=UNPROCESSABLE, view=view)
        await visit.services.grants.add_candidate(
            visit.organization,
            offer.provider,
            Method.APP,
            way_of(fields),
            credentials,
            app_form.identity_of(credentials),
            visit.actor,
        )
        visit.services.revoking.soon()
        return see(offer.sender)


for _offer in OFFERS:
    _routes(_offer)
