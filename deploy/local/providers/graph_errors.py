"""Refusals of Microsoft Graph in their documented shape."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from aiohttp import web

_CODES: Final[dict[int, tuple[str, str]]] = {
    400: ("BadRequest", "Bad request."),
    401: ("InvalidAuthenticationToken", "Access token is invalid."),
    403: ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    404: ("ErrorItemNotFound", "The specified object was not found in the store."),
    413: ("BadRequest", "Maximum request length exceeded."),
    415: ("RequestBodyRead", "The media type of the request is not supported."),
    429: ("ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
    500: ("generalException", "An unspecified error has occurred."),
    502: ("BadGateway", "Bad gateway."),
    503: ("serviceNotAvailable", "The service isn't available. Try the request again after a delay."),
    504: ("GatewayTimeout", "Gateway timeout."),
    507: ("quotaLimitReached", "The maximum storage quota has been reached."),
    509: ("BandwidthLimitExceeded", "Your app has been throttled for exceeding the maximum bandwidth cap."),
}


class Problem(Exception):
    """Graph says no."""

    def __init__(
        self, status: int, code: str = "", message: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status, self.code, self.message = status, code, message
        self.headers = headers or {}


def unreadable(message: str) -> Problem:
    """The JSON does not fit the type it should have."""
    return Problem(400, "RequestBodyRead", message)


def problem(
    status: int,
    code: str = "",
    message: str = "",
    *,
    clock: Callable[[], float],
    headers: Mapping[str, str] | None = None,
    request_id: str = "",
) -> web.Response:
    """The answer; without ``code`` the usual one of that status."""
    found = error_body(status, code, message, clock=clock, request_id=request_id)
    return web.json_response(found, status=status, headers=headers)


def error_body(
    status: int, code: str = "", message: str = "", *, clock: Callable[[], float], request_id: str = ""
) -> dict[str, Any]:
    """What the answer says, as an object."""
    usual, words = _CODES.get(status, ("generalException", "An unspecified error has occurred."))
    number = request_id or str(uuid.uuid4())
    at = datetime.fromtimestamp(clock(), UTC).strftime("%Y-%m-%dT%H:%M:%S")
    inner = {"date": at, "request-id": number, "client-request-id": number}
    return {"error": {"code": code or usual, "message": message or words, "innerError": inner}}
