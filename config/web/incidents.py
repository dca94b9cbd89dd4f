"""One log line for each request, and an answer to each one that fails: the middleware around the routes' errors.

The line has method, route, status and duration: never an address, a path as it was asked for, a query or a name. A
mistake of ours gets a number that stands in the answer and in the log, and nothing else is told.
"""

import re
import time
from collections.abc import Callable
from typing import Final

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.logs import get_logger
from config.web import errors
from config.web.answers import answer
from config.web.errors import WebProblem

log = get_logger(__name__)

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"})
_QUIET: Final = frozenset({"/livez", "/readyz", "/static/{name}"})
_PREFIX: Final = re.compile(r"/api/v\d")
_BROKEN_OFF: Final = 499
"""What the log calls an answer that was not completed, as nginx does."""


class Incidents:
    """The middleware. ``new_number`` makes the number of a mistake; ``clock`` is monotonic, in seconds."""

    def __init__(
        self, app: ASGIApp, *, new_number: Callable[[], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._new_number = new_number
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = self._clock(), _BROKEN_OFF
        started = finished = False

        async def watched(message: Message) -> None:
            nonlocal status, started, finished
            if message["type"] == "http.response.start":
                status, started = message["status"], True
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                finished = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            # The last resort: nothing of an error may reach a visitor.
            number = self._new_number()
            log.error("a request failed", incident=number, route=route_of(scope), exc_info=error)
            if not started:
                request = Request(scope, receive)
                await answer(request, WebProblem(errors.INTERNAL_ERROR), incident=number)(scope, receive, watched)
        finally:
            milliseconds = round((self._clock() - began) * 1000)
            _note(scope, status if finished else _BROKEN_OFF, milliseconds)


def route_of(scope: Scope) -> str:
    """The pattern of the route that was found, such as ``/settings/tests/{id}``; empty for none.

    A route of an included router knows the end of its pattern only; the rest is the literal beginning of the address.
    """
    pattern = str(getattr(scope.get("route"), "path", ""))
    end = pattern
    for name, value in scope.get("path_params", {}).items():
        end = end.replace(f"{{{name}}}", str(value))
    prefix = scope["path"].removesuffix(end)
    return prefix + pattern if _PREFIX.fullmatch(prefix) else pattern


def _note(scope: Scope, status: int, milliseconds: int) -> None:
    route, method = route_of(scope), scope["method"]
    fields = {
        "method": method if method in _METHODS else "other",
        "route": route,
        "status": status,
        "milliseconds": milliseconds,
    }
    state = scope.get("state") or {}
    if code := state.get("problem"):
        fields["code"] = code
    write = log.debug if route in _QUIET and status < 400 else log.info
    write("request", **fields)
