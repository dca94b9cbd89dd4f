"""The JSON API's sessions: from the platform's hand-over token to a session, and its end."""

from fastapi import APIRouter, Request, status

from config.languages import negotiate
from config.web import api_problems as wrong
from config.web import api_views
from config.web.access import SignedIn, language_of, token_of
from config.web.api_context import TheServices
from config.web.api_inputs import HandoverIn
from config.web.api_models import NewSessionOut, SessionOut
from config.web.errors import HANDOVER_REFUSED, ApiProblem
from config.web.handover import HandoverRefused

router = APIRouter(tags=["sessions"])


@router.post(
    "/sessions",
    operation_id="openSession",
    summary="Sign in with a hand-over token",
    status_code=status.HTTP_201_CREATED,
    responses=wrong.documented(*wrong.OPEN, *wrong.BODY, HANDOVER_REFUSED),
)
async def open_session(body: HandoverIn, request: Request, services: TheServices) -> NewSessionOut:
    """Takes the token that the platform signed for a person, once, and opens a session for that person.

    The access token is for the platform's back end or front end; it is shown here and nowhere else.
    """
    try:
        token, session = await services.handover.open(body.token)
    except HandoverRefused as error:
        raise ApiProblem(HANDOVER_REFUSED) from error
    language = negotiate(request.headers.get("accept-language"), session.language)
    return api_views.new_session_out(session, language, token)


@router.get(
    "/session",
    operation_id="getSession",
    summary="Who is signed in",
    responses=wrong.documented(*wrong.SIGNED_IN),
)
async def get_session(session: SignedIn, request: Request) -> SessionOut:
    """The session of the request, with what a page needs to change something."""
    return api_views.session_out(session, language_of(request))


@router.delete(
    "/session",
    operation_id="closeSession",
    summary="Sign out",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=wrong.documented(*wrong.SIGNED_IN),
)
async def close_session(_: SignedIn, request: Request, services: TheServices) -> None:
    """Ends the session of the request: its token opens nothing any more."""
    await services.sessions.close(token_of(request))
