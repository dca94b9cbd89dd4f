"""The sender of a connected account: entered, tried, and put to use when every stage has passed."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

from config.errors import InvalidSettings, SettingsChanged, TooManyTrials, TrialRunning
from config.grants import Grant
from config.provider_form import ProviderForm
from config.web import forms
from config.web.connecting import CHANGED, Connected, connected
from config.web.forms_connect import sender_fields
from config.web.offers import OFFERS, Offer
from config.web.pages_context import CONFLICT, UNPROCESSABLE, Change, Fields, Visit, see
from config.web.views import Notice, shown_mailbox, throttled
from config.web.views_connect import OtherAccountView, SenderView, account_of

router = APIRouter()

_NEW: Final = "new"
_TOO_MANY: Final = 429


def _routes(offer: Offer) -> None:
    @router.get(offer.sender)
    async def show(visit: Change) -> Response:
        """The form; before it, if another account came back than the one in use, the question whether that is meant."""
        now = await connected(visit, offer)
        grant = now.candidate or now.active
        if grant is None:
            return see(offer.path)
        if now.other and visit.request.query_params.get("account") != _NEW:
            sender = shown_mailbox(now.summary.sender) if now.summary else ""
            view = OtherAccountView(offer, account_of(now.other), account_of(grant), sender)
            return visit.page("other_account.html", view=view)
        draft = await visit.services.drafts.get(visit.organization)
        typed = draft.form if draft and isinstance(draft.form, ProviderForm) else None
        values = _known(now, grant)
        if typed and typed.grant_id == grant.id:
            values = {"sender_address": typed.sender_address, "sender_alias": typed.sender_alias}
        return _form(visit, offer, now, grant, values)

    @router.post(offer.sender)
    async def save(visit: Change, fields: Fields) -> Response:
        """Begins to try the account with this sender."""
        now = await connected(visit, offer)
        grant = now.candidate or now.active
        if grant is None or fields.get("grant") != grant.id:
            return _gone(offer, now, fields)
        return await _begin(visit, offer, now, grant, fields)


for _offer in OFFERS:
    _routes(_offer)


def _gone(offer: Offer, now: Connected, fields: Mapping[str, str]) -> Response:
    """The account of a form is not the one any more: why, where accounts are connected."""
    if forms.version(fields) != now.version:
        return see(offer.path, done="changed")
    # What is in use is as it was, so the account was one that waited. It may have been given up by anybody, or by
    # the same person in another window.
    return see(offer.path, done="replaced" if now.newest else "given-up")


async def _begin(visit: Visit, offer: Offer, now: Connected, grant: Grant, fields: Mapping[str, str]) -> Response:
    try:
        trial = await visit.services.trials.start_provider(
            visit.organization,
            ProviderForm(fields.get("sender_address", ""), fields.get("sender_alias", ""), grant.id),
            expected=forms.version(fields),
            actor=visit.actor,
            to=visit.mailbox,
            language=visit.language,
        )
    except TrialRunning as running:
        return see(f"/settings/tests/{running.id}", done="busy")
    except TooManyTrials as error:
        answer = _form(visit, offer, now, grant, fields, notice=throttled(error.retry_after), status=_TOO_MANY)
        answer.headers["Retry-After"] = str(round(error.retry_after))
        return answer
    except SettingsChanged:
        return _form(visit, offer, await connected(visit, offer), grant, fields, notice=CHANGED, status=CONFLICT)
    except InvalidSettings as error:
        return _form(visit, offer, now, grant, fields, problems=error.problems, status=UNPROCESSABLE)
    return see(f"/settings/tests/{trial.id}")


def _known(now: Connected, grant: Grant) -> dict[str, str]:
    """The sender in use, which a re-connection keeps; for another account, its own address."""
    known = now.summary.sender if now.summary else None
    if known and now.active and not now.other:
        return {"sender_address": known.address, "sender_alias": known.name}
    return {"sender_address": grant.identity.email, "sender_alias": known.name if known else ""}


def _form(
    visit: Visit,
    offer: Offer,
    now: Connected,
    grant: Grant,
    values: Mapping[str, str],
    *,
    problems: tuple[tuple[str, str], ...] = (),
    notice: Notice | None = None,
    status: int = 200,
) -> Response:
    address, alias, found = sender_fields(values, problems)
    candidate = now.candidate is not None and grant.id == now.candidate.id
    view = SenderView(
        offer=offer,
        account=account_of(grant),
        grant=grant.id,
        candidate=candidate,
        again=candidate and now.active is not None and now.other is None,
        sender_address=address,
        sender_alias=alias,
        version=now.version,
        problems=found,
        conflict=notice,
    )
    return visit.page("sender.html", status=status, view=view)
