"""The JSON API for the platform's own front end: the same operations as the pages, and its OpenAPI document.

The organisation is never in an address: it is always that of the session. Routes are in ``api_*.py``, answers in
:mod:`config.web.api_models`, problems in :mod:`config.web.api_problems`.
"""

from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final

from fastapi import APIRouter
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from config.web import api_limits, api_records, api_sessions, api_settings, api_trials
from config.web.answers import PROBLEM_JSON
from config.web.api_problems import CODES
from config.web.cookies import NAME

PREFIX: Final = "/api/v1"
_DESCRIPTION: Final = """\
Configures how the mail of one organisation leaves.

**Who asks.** `POST /api/v1/sessions` takes the hand-over token that the platform signed and gives an access token for
one person in one organisation; send it as `Authorization: Bearer …`. A page of the same origin can use the session's
cookie instead, and then sends the session's `csrf_token` as `X-CSRF-Token` with every change. An organisation is named
nowhere: every route is about that of the session, and what belongs to another one does not exist.

**Languages.** Sentences are in the language of the session, else in the best one for `Accept-Language` (`en`, `fr`).
Codes, states and names of fields never change with it.

**Problems** are `application/problem+json` (RFC 9457) with a stable `code`. No answer repeats what was sent.

**Secrets** are written and never read: `password_set` says whether there is one.
"""
_TAGS: Final = [
    {"name": "sessions", "description": "Signing in and out."},
    {"name": "settings", "description": "How mail leaves, and the draft of how it shall leave."},
    {"name": "tests", "description": "*Save and test*, stage by stage, and the confirmation that its mail arrived."},
    {"name": "domain", "description": "SPF, DKIM, DMARC and MX of the sender's domain."},
    {"name": "history", "description": "Who changed what and when."},
]
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The access token of `POST /api/v1/sessions`."},
    "cookie": {"type": "apiKey", "in": "cookie", "name": NAME, "description": "The session of the pages."},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": "X-CSRF-Token",
        "description": "The session's `csrf_token`; with the cookie, for everything that changes something.",
    },
}
_RETRY_AFTER: Final = {
    "description": "In how many seconds to try again.",
    "schema": {"type": "integer", "minimum": 1},
}
_STRANGERS: Final = ("openSession", "getOpenApi")
_BEARER: Final[dict[str, list[str]]] = {"bearer": []}
_COOKIE: Final[dict[str, list[str]]] = {"cookie": []}
_CHANGING_COOKIE: Final[dict[str, list[str]]] = {"cookie": [], "csrf": []}

router = APIRouter(prefix=PREFIX)
for part in (api_sessions, api_settings, api_limits, api_trials, api_records):
    router.include_router(part.router)


@router.get("/openapi.json", include_in_schema=False)
async def get_openapi_document() -> JSONResponse:
    """The description of this API."""
    return JSONResponse(_document())


def openapi(number: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of this API, for version ``number`` of the program."""
    document = get_openapi(
        title="Mailroom settings",
        version=number,
        description=_DESCRIPTION,
        routes=router.routes,
        tags=_TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    document["components"]["securitySchemes"] = _SCHEMES
    for item in document["paths"].values():
        for method, operation in item.items():
            _secure(operation, changes=method != "get")
            _say_problems(operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


@lru_cache(maxsize=1)
def _document() -> dict[str, Any]:
    return openapi(version("mailroom"))


def _secure(operation: dict[str, Any], *, changes: bool) -> None:
    if operation["operationId"] not in _STRANGERS:
        operation["security"] = [_BEARER, _CHANGING_COOKIE if changes else _COOKIE]


def _say_problems(operation: dict[str, Any]) -> None:
    """Problems have a media type of their own, a closed set of codes, and some say when to come back."""
    for status, response in operation["responses"].items():
        if int(status) < 400:
            continue
        codes = {"properties": {"code": {"enum": response.pop(CODES)}}}
        schema = {"allOf": [response["content"]["application/json"]["schema"], codes]}
        response["content"] = {PROBLEM_JSON: {"schema": schema}}
        if status in ("429", "503"):
            response["headers"] = {"Retry-After": _RETRY_AFTER}
