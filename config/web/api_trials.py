"""The JSON API's *Save and test*: start a test, look at it, confirm that its mail arrived."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Path, Response, status

from config.sessions import Session
from config.trial_values import Trial
from config.web import api_problems as wrong
from config.web import api_views
from config.web.access import Administrator, SignedIn, actor_of, mailbox_of
from config.web.api_context import TheServices, TheTexts
from config.web.api_inputs import SmtpSettingsIn, VerificationIn
from config.web.api_models_tests import TestOut
from config.web.errors import INVALID_REQUEST, NOT_FOUND, SETTINGS_UNREADABLE, ApiProblem
from config.web.services import Services

_ID: Final = Path(max_length=64, description="The test's `id`.")
_LOCATION: Final = {"Location": {"description": "Where the test is looked at.", "schema": {"type": "string"}}}

router = APIRouter(tags=["tests"])


@router.post(
    "/tests",
    operation_id="startTest",
    summary="Save and test",
    status_code=status.HTTP_202_ACCEPTED,
    responses={
        202: {"headers": _LOCATION},
        **wrong.documented(
            *(*wrong.CHANGE, *wrong.BODY, SETTINGS_UNREADABLE, wrong.INVALID_SETTINGS, wrong.SETTINGS_CHANGED),
            *(wrong.TEST_RUNNING, wrong.TOO_MANY_TESTS, wrong.NOT_CONFIGURED),
        ),
    },
)
async def start_test(
    session: Administrator,
    services: TheServices,
    texts: TheTexts,
    response: Response,
    settings: Annotated[SmtpSettingsIn | None, Body()] = None,
) -> TestOut:
    """Tests settings and puts them in use if every stage passes; without a body, tests those in use.

    The settings are saved as the draft first. The test goes on in the background: address, connection, TLS, sign-in,
    sender, and a test mail to the address of whoever asks. The first stage that fails ends it; what was in use before
    then stays in use.
    """
    with wrong.told(texts):
        if settings is None:
            trial = await services.trials.start_active(
                session.organization, actor=actor_of(session), to=mailbox_of(session), language=texts.language
            )
        else:
            trial = await _try(settings, session, services, texts.language)
    response.headers["Location"] = wrong.TEST.format(id=trial.id)
    return api_views.test_out(trial, texts)


@router.get(
    "/tests/{id}",
    operation_id="getTest",
    summary="One test",
    responses=wrong.documented(*wrong.SIGNED_IN, INVALID_REQUEST, NOT_FOUND),
)
async def get_test(id: Annotated[str, _ID], session: SignedIn, services: TheServices, texts: TheTexts) -> TestOut:
    """A test as far as it has come. The newest 20 of the organisation are kept."""
    trial = await services.trial_rows.get(session.organization, id)
    if trial is None:
        raise ApiProblem(NOT_FOUND)
    return api_views.test_out(trial, texts)


@router.post(
    "/verification",
    operation_id="verify",
    summary="Confirm that the test mail arrived",
    responses=wrong.documented(*wrong.CHANGE, *wrong.BODY, wrong.WRONG_CODE, wrong.CODE_USED, wrong.TOO_MANY_CODES),
)
async def verify(body: VerificationIn, session: Administrator, services: TheServices, texts: TheTexts) -> TestOut:
    """Takes the code of a test mail; the settings it was sent with are then verified.

    A code counts once, for 7 days, and as long as those settings are in use. One that was taken before is told from a
    wrong one.
    """
    with wrong.told(texts):
        trial = await services.trial_rows.confirm(session.organization, body.code, actor_of(session))
    if trial is not None:
        return api_views.test_out(trial, texts)
    taken = await services.trial_rows.confirmed(session.organization, body.code)
    summary = await services.organizations.describe(session.organization)
    if taken and summary and summary.version == taken.version:
        raise ApiProblem(wrong.CODE_USED, test=taken.id)
    raise ApiProblem(wrong.WRONG_CODE)


async def _try(settings: SmtpSettingsIn, session: Session, services: Services, language: str) -> Trial:
    expected = settings.version
    if expected is None:
        summary = await services.organizations.describe(session.organization)
        expected = summary.version if summary else 0
    return await services.trials.start(
        session.organization,
        settings.form(),
        expected=expected,
        actor=actor_of(session),
        to=mailbox_of(session),
        language=language,
    )
