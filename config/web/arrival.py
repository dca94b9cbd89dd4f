"""Where an administrator arrives from the platform: a token becomes a session, and the settings are next."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from config.web import cookies
from config.web.errors import NOT_A_VISIT, WebProblem
from config.web.forms import entered
from config.web.services import services_of
from config.web.visits import is_visit

router = APIRouter(include_in_schema=False)


@router.get("/handover")
async def arrive(request: Request, token: str = "") -> Response:
    """The link, or the redirection, that the platform made."""
    return await _enter(request, token)


@router.post("/handover")
async def arrive_by_form(request: Request) -> Response:
    """The same by a form of the platform, whose token then stands in no address."""
    try:
        fields = entered(await request.body())
    except ValueError:
        fields = {}
    return await _enter(request, fields.get("token", ""))


async def _enter(request: Request, token: str) -> Response:
    if not is_visit(request):
        raise WebProblem(NOT_A_VISIT)
    services = services_of(request)
    opened, _ = await services.handover.open(token)
    previous = cookies.session_token(request.headers)
    if previous is not None:
        await services.sessions.close(previous)
    response = RedirectResponse("/settings", status_code=303)
    response.headers.append("Set-Cookie", cookies.keeping(opened))
    return response
