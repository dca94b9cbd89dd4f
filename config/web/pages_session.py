"""What concerns the person and not the settings: the language of the pages, and going away."""

import re
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from config.languages import LANGUAGES
from config.web import cookies, errors, rendering
from config.web.access import SignedIn, language_of
from config.web.errors import WebProblem
from config.web.pages_context import Fields, see
from config.web.returning import ENDED
from config.web.services import services_of
from config.web.views import Shell

router = APIRouter()

_PAGE_OF_OURS: Final = re.compile(r"/settings(?:/[a-z0-9]{1,20}(?:/[A-Za-z0-9_-]{1,64})?)?")


@router.post("/language")
async def choose_language(request: Request, _: SignedIn, fields: Fields) -> Response:
    """Keeps the language for this session and returns to the page it was chosen on."""
    language, back = fields.get("language", ""), fields.get("back", "")
    token = cookies.session_token(request.headers)
    if language in LANGUAGES and token:
        await services_of(request).sessions.set_language(token, language)
    return see(back if _PAGE_OF_OURS.fullmatch(back) else "/settings")


@router.post("/sign-out")
async def sign_out(request: Request, _: SignedIn) -> Response:
    """Ends the session here and in the store."""
    language = language_of(request)
    token = cookies.session_token(request.headers)
    if token:
        await services_of(request).sessions.close(token)
    answer = HTMLResponse(rendering.page("signed_out.html", language, shell=Shell()))
    answer.headers.append("Set-Cookie", cookies.forgetting())
    return answer


@router.get(ENDED)
async def connection_ended() -> Response:
    """For somebody who came back from a provider and was not signed in any more: open to everybody."""
    raise WebProblem(errors.CONNECTION_ENDED)
