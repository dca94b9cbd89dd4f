"""The JSON API's limits: how fast the organisation's account is used."""

from fastapi import APIRouter

from config.errors import SettingsUnreadable
from config.web import api_problems as wrong
from config.web import api_views_limits as views
from config.web.access import Administrator, SignedIn, actor_of
from config.web.api_context import TheServices, TheTexts
from config.web.api_inputs import LimitsIn
from config.web.api_models_limits import LimitsOut
from config.web.errors import SETTINGS_UNREADABLE, ApiProblem
from config.web.services import Services

router = APIRouter(tags=["settings"])


@router.get(
    "/limits",
    operation_id="getLimits",
    summary="How fast mail leaves",
    responses=wrong.documented(*wrong.SIGNED_IN, SETTINGS_UNREADABLE, wrong.NOT_CONFIGURED),
)
async def get_limits(session: SignedIn, services: TheServices) -> LimitsOut:
    """The limits that are usual for the account in use, those chosen instead, and those in force."""
    return await _limits(services, session.organization)


@router.put(
    "/limits",
    operation_id="chooseLimits",
    summary="Choose limits",
    responses=wrong.documented(
        *(*wrong.CHANGE, *wrong.BODY, SETTINGS_UNREADABLE, wrong.INVALID_SETTINGS),
        *(wrong.SETTINGS_CHANGED, wrong.NOT_CONFIGURED),
    ),
)
async def choose_limits(limits: LimitsIn, session: Administrator, services: TheServices, texts: TheTexts) -> LimitsOut:
    """Replaces the limits that were chosen. They hold over all replicas, from two seconds on.

    The settings stay as they are: verified, if they were, and with the same version.
    """
    organization = session.organization
    with wrong.told(texts):
        version = await services.limits.choose(
            organization, limits.chosen(), actor=actor_of(session), expected=limits.version
        )
    await services.announce(organization, version)
    return await _limits(services, organization)


async def _limits(services: Services, organization: str) -> LimitsOut:
    summary = await services.organizations.describe(organization)
    if summary is None:
        raise ApiProblem(wrong.NOT_CONFIGURED)
    if summary.limits is None:
        raise SettingsUnreadable(organization, "the account or its limits are not those of a known transport")
    return views.limits_out(summary.limits, summary.version)
