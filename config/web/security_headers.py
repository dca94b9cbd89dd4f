"""The headers every answer has, whatever it is: an ASGI middleware around everything else.

The pages need no script, no frame, no font and nothing of another host, so all of that is forbidden to them. What a
route sets itself stays, except the content security policy. ``Referrer-Policy`` is ``same-origin``, because with
``no-referrer`` a browser sends ``Origin: null`` with a form (Fetch §3.2.2), and then nobody can tell where it comes
from; only the answers to a hand-over and to what a provider sends back say ``no-referrer``, so that the token or code
in their address is told to nobody, and what leads to a provider, which has no form.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
API_POLICY: Final = "default-src 'none'; frame-ancestors 'none'"
_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_YEAR: Final = "max-age=31536000"


class SecurityHeaders:
    """The middleware; ``https`` tells whether browsers may be made to come by TLS only from now on."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._always = _ALWAYS | ({"Strict-Transport-Security": _YEAR} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._complete(MutableHeaders(scope=message), scope["path"])
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _complete(self, headers: MutableHeaders, path: str) -> None:
        headers.update(self._always)
        headers["Content-Security-Policy"] = API_POLICY if path.startswith("/api/") else PAGE_POLICY
        told = path == "/handover" or path.startswith("/oauth/")
        headers.setdefault("Referrer-Policy", "no-referrer" if told else "same-origin")
        headers.setdefault("Cache-Control", "no-store")
