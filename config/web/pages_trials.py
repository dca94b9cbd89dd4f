"""*Save and test* as it happens: a page that grows by a stage whenever one has ended, and the code of its mail."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Query
from fastapi.responses import Response

from config.errors import (
    ConfigError,
    SettingsUnreadable,
    TooManyCodes,
    TooManyTrials,
    TrialRunning,
    UnknownOrganization,
)
from config.languages import N_
from config.trial_values import Trial, TrialState
from config.web import forms, rendering
from config.web.access import token_of
from config.web.errors import PageProblem
from config.web.forms import Field
from config.web.offers import BY_KIND
from config.web.pages_context import UNPROCESSABLE, Change, Fields, Look, Visit, see
from config.web.streams import Streams
from config.web.views import OFTEN, whole_minutes
from config.web.views_small import VerifyView
from config.web.views_trial import next_title, stage_view, trial_view
from config.web.views_ways import form_path

router = APIRouter()

_WRONG: Final = (
    "code",
    N_("is not the code of a test mail of the settings in use: look at the newest mail, or send another"),
)
_TOO_OFTEN: Final = ("code", N_("was wrong too often: wait an hour, then try again"))
_LONGEST_CODE: Final = 40
_NOTHING_UNDER_WAY: Final = "<li hidden></li>"
"""Ends the list: the line of a stage under way is shown only while it is the last."""


@router.post("/settings/test")
async def begin(visit: Change) -> Response:
    """Tests the settings in use."""
    try:
        trial = await visit.services.trials.start_active(
            visit.organization, actor=visit.actor, to=visit.mailbox, language=visit.language
        )
    except TrialRunning as running:
        return see(f"/settings/tests/{running.id}", done="busy")
    except TooManyTrials as error:
        return see("/settings", done=OFTEN, minutes=str(whole_minutes(error.retry_after)))
    except UnknownOrganization:
        return see("/settings", done="nothing")
    except SettingsUnreadable:
        return see("/settings", done="unreadable")
    return see(f"/settings/tests/{trial.id}")


@router.get("/settings/tests/{id}")
async def show(visit: Look, id: str) -> Response:
    """One test: while it runs the page stays open and grows, afterwards it is the result.

    Somebody who has it open many times gets it as far as it has come, and looks again.
    """
    trial = await visit.services.trial_rows.get(visit.organization, id)
    if trial is None:
        raise PageProblem(404)
    if trial.state is TrialState.RUNNING:
        streams: Streams = visit.request.app.state.streams
        if growing := streams.answer((token_of(visit.request), trial.id), _growing(visit, trial)):
            return growing
    view = trial_view(trial, edit_path=form_path(trial.kind))
    return visit.page("trial.html", trial=view, streaming=False, code=Field("code"))


async def _growing(visit: Visit, trial: Trial) -> AsyncIterator[str]:
    """The page in pieces. The test is not this page's: it goes on when nobody looks."""
    shell, language = visit.shell(), visit.language
    path = form_path(trial.kind)

    def piece(template: str, **values: object) -> str:
        return rendering.page(template, language, shell=shell, code=Field("code"), **values)

    above, between, below = rendering.pieces(
        "trial.html", language, shell=shell, trial=trial_view(trial), streaming=True
    )
    yield above
    shown, last = 0, ""
    try:
        async for now in visit.services.trials.follow(visit.organization, trial.id):
            ended, shown = now.stages[shown:], len(now.stages)
            yield "".join(piece("trial_stage.html", stage=stage_view(one, now.server, now.kind)) for one in ended)
            trial, last = now, last if not ended else ""
            title = next_title(now)
            if title and title != last:
                yield piece("trial_running.html", title=title)
                last = title
    except ConfigError:
        pass  # the page says below that the test is under way, and where to look
    if trial.kind in BY_KIND:
        visit.services.revoking.soon()  # an account that the tested one took the place of
    end = _NOTHING_UNDER_WAY if last else ""
    yield end + between + piece("trial_result.html", trial=trial_view(trial, edit_path=path)) + below


@router.get("/settings/verify")
async def ask(visit: Look, code: Annotated[str, Query(max_length=_LONGEST_CODE)] = "") -> Response:
    """The form for the code; the mail's link fills it in, and confirming stays a person's act.

    A link that was followed to its end before is told from one that leads nowhere.
    """
    return visit.page("verify.html", view=VerifyView(Field("code", code), already=await _already(visit, code)))


@router.post("/settings/verify")
async def verify(visit: Change, fields: Fields) -> Response:
    """Takes the code: the settings in use are verified."""
    entry = fields.get("code", "")
    try:
        if await visit.services.trial_rows.confirm(visit.organization, entry, visit.actor):
            return see("/settings", done="verified")
        if already := await _already(visit, entry):
            return visit.page("verify.html", view=VerifyView(Field("code"), already=already))
        problem = _WRONG
    except TooManyCodes:
        problem = _TOO_OFTEN
    field = forms.with_mistakes("code", entry[:_LONGEST_CODE], (problem,))
    return visit.page("verify.html", status=UNPROCESSABLE, view=VerifyView(field, forms.listed((problem,))))


async def _already(visit: Visit, code: str) -> datetime | None:
    """When this code was taken, if it verified the settings that are in use now."""
    trial = await visit.services.trial_rows.confirmed(visit.organization, code)
    if trial is None:
        return None
    summary = await visit.services.organizations.describe(visit.organization)
    return trial.confirmed_at if summary and summary.version == trial.version else None
