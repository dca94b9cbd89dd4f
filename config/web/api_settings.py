"""The JSON API's settings: how mail leaves now, the draft, and the way back to the platform's default."""

from fastapi import APIRouter, status

from config.errors import SettingsChanged
from config.web import api_problems as wrong
from config.web import api_views
from config.web.access import Administrator, SignedIn, actor_of
from config.web.api_context import TheServices, TheTexts
from config.web.api_inputs import DisconnectionIn, SmtpSettingsIn
from config.web.api_models import DraftOut, SettingsOut
from config.web.errors import ApiProblem

router = APIRouter(tags=["settings"])


@router.get(
    "/settings",
    operation_id="getSettings",
    summary="How mail leaves",
    responses=wrong.documented(*wrong.SIGNED_IN),
)
async def get_settings(session: SignedIn, services: TheServices, texts: TheTexts) -> SettingsOut:
    """How the organisation's mail leaves now, what needs attention, the draft, and the newest test."""
    organization = session.organization
    summary = await services.organizations.describe(organization)
    return api_views.settings_out(
        organization,
        summary,
        await services.drafts.get(organization),
        await services.trial_rows.latest(organization),
        await services.held_back.of(organization, summary.endpoint) if summary else None,
        texts,
    )


@router.put(
    "/draft",
    operation_id="saveDraft",
    summary="Save without testing",
    responses=wrong.documented(*wrong.CHANGE, *wrong.BODY, wrong.INVALID_SETTINGS, wrong.SETTINGS_CHANGED),
)
async def save_draft(
    settings: SmtpSettingsIn, session: Administrator, services: TheServices, texts: TheTexts
) -> DraftOut:
    """Keeps settings for later; what is in use stays in use. A draft that is there is replaced."""
    organization = session.organization
    with wrong.told(texts):
        if settings.version is not None:
            summary = await services.organizations.describe(organization)
            if settings.version != (summary.version if summary else 0):
                raise SettingsChanged(organization)
        draft = await services.drafts.save(organization, settings.form(), actor_of(session))
    return api_views.smtp_draft_out(draft)


@router.delete(
    "/draft",
    operation_id="discardDraft",
    summary="Discard the draft",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=wrong.documented(*wrong.CHANGE),
)
async def discard_draft(session: Administrator, services: TheServices) -> None:
    """Forgets the draft, its password included; also fine if there is none."""
    await services.drafts.discard(session.organization)


@router.post(
    "/disconnection",
    operation_id="disconnect",
    summary="Return to the platform's default",
    responses=wrong.documented(*wrong.CHANGE, *wrong.BODY, wrong.NOT_CONFIRMED, wrong.NOT_CONFIGURED),
)
async def disconnect(
    body: DisconnectionIn, session: Administrator, services: TheServices, texts: TheTexts
) -> SettingsOut:
    """Forgets the transport in use with its password: from now on mail leaves from the platform's address again.

    The consent to a connected account is taken back at its provider, where that is possible. This never happens by
    itself. It is recorded with who asked for it.
    """
    organization = session.organization
    if body.confirm != organization:
        raise ApiProblem(wrong.NOT_CONFIRMED)
    with wrong.told(texts):
        version = await services.organizations.disconnect(organization, actor=actor_of(session))
    services.revoking.soon()
    await services.announce(organization, version)
    return await get_settings(session, services, texts)
