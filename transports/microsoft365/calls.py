"""The calls of one mail: authorised, traceable, with one new token after a refusal."""

from collections.abc import Callable, Mapping
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    PlatformProblem,
    Temporary,
    Throttled,
    Unreachable,
)
from transports.http import Reply
from transports.microsoft365.replies import NAME, classify
from transports.microsoft365.reply_rules import PropertiesRefused
from transports.microsoft365.settings import GraphContext, Microsoft365Settings
from transports.protocol import TokenSource
from transports.tokens import current_token

JSON = "application/json"
_NOT_OURS = frozenset({401, 403, 404, 410})
"""What becomes of an upload's URL with time; it says nothing about the account."""
_DECISIVE = (AccountProblem, PlatformProblem, Throttled, Unreachable)


class Calls:
    """What one mail asks of Graph until ``deadline`` (loop time); ``trace`` is its *client-request-id*."""

    def __init__(
        self, settings: Microsoft365Settings, context: GraphContext, source: TokenSource, deadline: float, trace: str
    ) -> None:
        self._context = context
        self._source = source
        self._token: str | None = None
        self._renewed = False
        self._trace = trace
        self.deadline = deadline
        self.base = base_url(settings, context)
        self.properties_refused = False

    async def post(
        self,
        path: str,
        body: bytes,
        content_type: str = JSON,
        *,
        final: bool = False,
        plain: Callable[[], bytes] | None = None,
    ) -> Reply:
        """A POST below the mailbox; the reply is a success.

        When Graph refuses the extended properties of ``body``, ``plain`` gives the one to send in its place, once;
        ``properties_refused`` tells so if that was the reason.
        """
        url, headers = f"{self.base}{path}", {"Content-Type": content_type}
        try:
            return await self._authorised("POST", url, body, headers, final=final)
        except PropertiesRefused:
            if plain is None:
                raise
        # Nothing was accepted with that, so the mail may be handed over again.
        reply = await self._authorised("POST", url, plain(), headers, final=final)
        self.properties_refused = True
        return reply

    async def put(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """A PUT to a URL that carries its own permission and must not get ours; the reply is a success."""
        reply = await self._request("PUT", url, body, {"Content-Type": "application/octet-stream", **headers})
        if reply.status in _NOT_OURS:
            raise Temporary(Code.TEMPORARY_FAILURE, f"{reply.status} at upload", transport=NAME)
        if not 200 <= reply.status <= 299:
            raise classify(reply, self._context.wall_clock(), final=False)
        return reply

    async def try_out(self) -> None:
        """Whether Graph lets the grant send from the mailbox: asks it to send nothing, which it refuses for that alone.

        Every other call needs a further permission. Any answer but a refusal of the grant, or of the mailbox, is good
        enough: what Graph says of a request without a message is documented nowhere.
        """
        try:
            await self.post("/sendMail", b"{}")
        except _DECISIVE:
            raise
        except DeliveryError:
            return

    async def delete(self, path: str, deadline: float) -> None:
        """A DELETE below the mailbox with the token in use, whatever comes of it."""
        self.deadline = deadline
        await self._request("DELETE", f"{self.base}{path}", b"", {"Authorization": f"Bearer {self._token}"})

    async def _authorised(self, method: str, url: str, body: bytes, headers: dict[str, str], *, final: bool) -> Reply:
        if self._token is None:
            self._token = await current_token(self._source, self.deadline, NAME)
        headers["client-request-id"] = self._trace
        while True:
            token = self._token
            headers["Authorization"] = f"Bearer {token}"
            reply = await self._request(method, url, body, headers, final=final)
            if 200 <= reply.status <= 299:
                return reply
            error = classify(reply, self._context.wall_clock(), final=final)
            if reply.status != 401 or self._renewed:
                raise error
            # A 401 was not acted upon, so the same request may be made again.
            self._renewed = True
            self._token = await current_token(self._source, self.deadline, NAME, refused=token)
            if self._token == token:
                raise error

    async def _request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, final: bool = False
    ) -> Reply:
        return await self._context.http.request(
            method, url, deadline=self.deadline, headers=headers, body=body, final=final, name=NAME
        )


def base_url(settings: Microsoft365Settings, context: GraphContext) -> str:
    """Where the mailbox is: the signed-in one, or the one that an app's grant names."""
    user = f"users/{quote(settings.user, safe='@')}" if settings.user else "me"
    return f"{context.url}/v1.0/{user}"


def trace_id(message_id: str) -> str:
    """A UUID that depends on the *Message-ID* alone, so that whoever knows that one can find the call."""
    return str(uuid5(NAMESPACE_URL, f"mid:{message_id.strip('<>')}"))
