"""The application: routes, and around them what holds for every request, whichever route it is for.

From the outside in: headers of every answer, log line and last resort, entrance, routes. So an answer that is made on
the way in has all the headers, too, and a mistake anywhere is answered and logged once.
"""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from config.errors import SettingsUnreadable, StoreUnavailable, TooManyAttempts
from config.languages import texts
from config.logs import get_logger
from config.web import api, arrival, errors, health, pages
from config.web.access import language_of
from config.web.answers import answer
from config.web.entrance import Entrance
from config.web.errors import WebProblem
from config.web.handover import HandoverRefused
from config.web.incidents import Incidents
from config.web.security_headers import SecurityHeaders
from config.web.services import Services
from config.web.streams import Streams
from config.web.validation import mistakes

log = get_logger(__name__)

_OPEN_PAGES: Final = 4
"""How often one session may have the page of one test open while it grows, in this process."""
_RETRY_STORE: Final = {"Retry-After": "5"}
_KEPT_HEADERS: Final = frozenset({"allow", "retry-after", "www-authenticate"})

Handler = Callable[[Request, Any], Awaitable[Response]]


def create_app(services: Services, *, new_number: Callable[[], str] = lambda: secrets.token_hex(6)) -> FastAPI:
    """The settings page and its API as an ASGI application; ``new_number`` numbers our own mistakes."""
    app = FastAPI(title="Mailroom", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.services = services
    app.state.streams = Streams(_OPEN_PAGES)
    for part in (health, arrival, pages, api):
        app.include_router(part.router)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    # The one added last is the outermost.
    app.add_middleware(Entrance, services=services)
    app.add_middleware(Incidents, new_number=new_number)
    app.add_middleware(SecurityHeaders, https=services.settings.https)
    return app


async def _problem(request: Request, fault: WebProblem) -> Response:
    return answer(request, fault)


async def _http(request: Request, fault: HTTPException) -> Response:
    """The framework's own: no such route, another method. Its text and its body are not used."""
    kept = {name: value for name, value in (fault.headers or {}).items() if name.lower() in _KEPT_HEADERS}
    return answer(request, WebProblem(errors.of_status(fault.status_code), headers=kept))


async def _invalid(request: Request, fault: RequestValidationError) -> Response:
    members = {"errors": mistakes(fault, texts(language_of(request)))}
    return answer(request, WebProblem(errors.INVALID_REQUEST, members=members))


async def _handover(request: Request, _: HandoverRefused) -> Response:
    return answer(request, WebProblem(errors.HANDOVER_REFUSED))


async def _unavailable(request: Request, fault: StoreUnavailable) -> Response:
    log.warning("a request could not be served: the database does not answer", problem=str(fault))
    return answer(request, WebProblem(errors.STORE_UNAVAILABLE, headers=_RETRY_STORE))


async def _unreadable(request: Request, fault: SettingsUnreadable) -> Response:
    log.error("settings cannot be read", organization=fault.organization, problem=fault.problem)
    return answer(request, WebProblem(errors.SETTINGS_UNREADABLE))


async def _too_often(request: Request, fault: TooManyAttempts) -> Response:
    headers, members = {"Retry-After": str(fault.retry_after)}, {"retry_after": fault.retry_after}
    return answer(request, WebProblem(errors.TOO_MANY_REQUESTS, headers=headers, members=members))


_HANDLERS: Final[dict[type[Exception], Handler]] = {
    WebProblem: _problem,
    HTTPException: _http,
    RequestValidationError: _invalid,
    StoreUnavailable: _unavailable,
    SettingsUnreadable: _unreadable,
    TooManyAttempts: _too_often,
    HandoverRefused: _handover,
}
