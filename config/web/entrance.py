"""Who comes in, decided before any route is looked at: an ASGI middleware around all of them.

In this order: the host name is ours, the body is small and there, a change comes from a page of ours (CSRF), there is a
session, nobody asks too often. Strangers are refused everywhere but at the few addresses of :data:`OPEN` and
:data:`HAND_OVER`, so a route that forgets to ask for a session is still not open to them.
"""

import asyncio
import hmac
import re
from typing import Final
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.errors import StoreUnavailable
from config.logs import get_logger
from config.sessions import Session
from config.web import cookies, errors
from config.web.answers import API, answer
from config.web.clients import client_address
from config.web.errors import WebProblem
from config.web.limits import Limit, Limits, address_key
from config.web.returning import ENDED
from config.web.services import Services

log = get_logger(__name__)

PROBES: Final = frozenset({"/livez", "/readyz"})
OPEN: Final = PROBES | {"/api/v1/openapi.json", ENDED}
"""Addresses for everybody, besides the static files."""
HAND_OVER: Final = frozenset({"/handover", "/api/v1/sessions"})
"""Where a stranger shows a token of the platform."""
VERIFY: Final = "/settings/verify"
"""Where the link of a test mail leads, with its code."""
STATIC: Final = "/static/"
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"
LARGEST_BODY: Final = 64 * 1024

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_FROM_HERE: Final = frozenset({"same-origin", "none"})
_LOOPBACK: Final = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]{1,5})?")
_MOST_FIELDS: Final = 100
_RETRY_STORE: Final = {"Retry-After": "5"}


class Entrance:
    """The middleware; ``services`` are those of the application inside, a body is waited for ``body_seconds``."""

    def __init__(self, app: ASGIApp, services: Services, *, body_seconds: float = 15.0) -> None:
        self._app = app
        self._services = services
        self._body_seconds = body_seconds
        self._limits = Limits(services.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI; what is no HTTP request is not served."""
        if scope["type"] != "http":
            return
        # What was found out travels in the scope's state; a server may share its own between requests.
        scope["state"] = dict(scope.get("state") or {})
        request = Request(scope, receive)
        try:
            body = await self._admit(request)
        except _Gone:
            return
        except WebProblem as fault:
            await answer(request, fault)(scope, receive, send)
        except StoreUnavailable as error:
            log.warning("a request could not be served: the database does not answer", problem=str(error))
            away = WebProblem(errors.STORE_UNAVAILABLE, headers=_RETRY_STORE)
            await answer(request, away)(scope, receive, send)
        else:
            await self._app(scope, receive if body is None else _again(body, receive), send)

    async def _admit(self, request: Request) -> bytes | None:
        """The body, if it was read, for those who may come in; :class:`WebProblem` for the others."""
        path, changes = request.url.path, request.method not in _SAFE
        if path not in PROBES:
            self._refuse_other_host(request)
        body = await _read(request, self._body_seconds) if changes else None
        if path in OPEN or path.startswith(STATIC):
            return body
        if path in HAND_OVER:
            self._take(self._limits.handovers, self._client(request))
            _refuse_other_type(request, body)
            return body
        bearer = _bearer(request) if path.startswith(API) else None
        token = cookies.session_token(request.headers) if bearer is None else bearer
        by_cookie = token is not None and bearer is None
        if changes and by_cookie:
            self._refuse_other_site(request)
        session = await self._session(request, token)
        if changes and by_cookie:
            _refuse_other_form(request, session, body or b"")
        self._take(self._limits.requests, token or "")
        if changes:
            self._take(self._limits.changes, token or "")
        _refuse_other_type(request, body)
        request.state.session, request.state.session_token = session, token
        return body

    def _refuse_other_host(self, request: Request) -> None:
        """A name that was pointed at us (DNS rebinding, a wrong proxy) gets nothing."""
        host = request.headers.get("host", "").lower()
        if host != self._services.settings.authority and not _is_loopback(host):
            raise WebProblem(errors.MISDIRECTED)

    def _refuse_other_site(self, request: Request) -> None:
        """The browser's own word on where the request comes from, where it gives one (Fetch Metadata, RFC 6454)."""
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        host = request.headers.get("host", "").lower()
        ours = {self._services.settings.base_url} | ({f"http://{host}"} if _is_loopback(host) else set())
        if (site is not None and site not in _FROM_HERE) or (origin is not None and origin not in ours):
            raise WebProblem(errors.CROSS_SITE)

    async def _session(self, request: Request, token: str | None) -> Session:
        if token and cookies.plausible(token):
            session = await self._services.sessions.get(token)
            if session is not None:
                return session
        self._take(self._limits.strangers, self._client(request))
        raise _stranger(request)

    def _client(self, request: Request) -> str:
        peer = request.client.host if request.client else None
        forwarded = request.headers.getlist("x-forwarded-for")
        return address_key(client_address(peer, forwarded, self._services.settings.trusted_proxies))

    @staticmethod
    def _take(limit: Limit, key: str) -> None:
        wait = limit.take(key)
        if wait:
            raise WebProblem(errors.TOO_MANY_REQUESTS, headers={"Retry-After": str(wait)})


def _stranger(request: Request) -> WebProblem:
    """The answer to somebody without a session; whoever follows a test mail's link finds its code filled in later."""
    path = request.url.path
    if path.startswith(API):
        return WebProblem(errors.SIGN_IN_NEEDED, headers={"WWW-Authenticate": "Bearer"})
    kept = cookies.keeping_code(request.query_params.get("code", "")) if path == VERIFY else ""
    if kept:
        return WebProblem(errors.SIGN_IN_TO_CONFIRM, headers={"Set-Cookie": kept})
    return WebProblem(errors.SIGN_IN_NEEDED)


class _Gone(Exception):
    """The client went away before its request was complete."""


async def _read(request: Request, seconds: float) -> bytes:
    """The whole body, of at most :data:`LARGEST_BODY`, within ``seconds``."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:20]) > LARGEST_BODY:
        raise WebProblem(errors.BODY_TOO_LARGE)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    raise WebProblem(errors.BODY_TOO_LARGE)
    except ClientDisconnect:
        raise _Gone from None
    except TimeoutError:
        raise WebProblem(errors.TOO_SLOW, headers={"Connection": "close"}) from None
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """The same body for whoever asks next, and after it what really comes: the end of the connection."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


def _refuse_other_form(request: Request, session: Session, body: bytes) -> None:
    """The session's own token, which no other site can know, in a header or in the form."""
    given = request.headers.get(CSRF_HEADER)
    if given is None and _media_type(request) == _FORM:
        given = _field(body)
    if not hmac.compare_digest((given or "").encode(), session.csrf.encode()):
        raise WebProblem(errors.CSRF_FAILED)


def _field(body: bytes) -> str:
    try:
        fields = parse_qsl(body.decode("ascii", "replace"), errors="replace", max_num_fields=_MOST_FIELDS)
    except ValueError:
        return ""
    return dict(fields).get(CSRF_FIELD, "")


def _refuse_other_type(request: Request, body: bytes | None) -> None:
    """The API takes JSON and the pages take forms, so that a form of another site is never read as JSON."""
    expected = _JSON if request.url.path.startswith(API) else _FORM
    if body and _media_type(request) != expected:
        raise WebProblem(errors.UNSUPPORTED_TYPE)


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def _bearer(request: Request) -> str | None:
    """The token of an ``Authorization`` header; empty if it has none of ours, ``None`` if there is no such header."""
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _is_loopback(host: str) -> bool:
    return _LOOPBACK.fullmatch(host) is not None
