"""Microsoft Graph's mail: ``sendMail`` as MIME and as JSON, and who one is."""

import uuid
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.local.providers.base_values import Mail
from deploy.local.providers.graph_access import (
    REQUEST_ID,
    Caller,
    Limits,
    Traffic,
    caller,
    mailbox_named,
    sender,
    token_of,
)
from deploy.local.providers.graph_drafts import Drafts
from deploy.local.providers.graph_errors import Problem, problem, unreadable
from deploy.local.providers.graph_json import members, read_message, read_object
from deploy.local.providers.graph_mail import Mime, Sender, compose, delivered_mime, read_mime
from deploy.local.providers.graph_values import Attachment, Message

if TYPE_CHECKING:
    from deploy.local.providers.microsoft import MicrosoftSandbox

_SAVE: Final = ("saveToSentItems", "SaveToSentItems")
Work = Callable[[Caller], Awaitable[web.Response]]


class Graph:
    """All of it, for the sandbox that owns it.

    Switches: ``send_from_alias_enabled`` (Exchange's own is off: an alias becomes the primary address),
    ``directory_names`` (the display name is always the directory's), ``dropped_fields`` (lower-case header fields that
    MIME loses on the way).
    """

    def __init__(self, box: "MicrosoftSandbox") -> None:
        self._box = box
        self.traffic = Traffic(box)
        self.send_from_alias_enabled = False
        self.directory_names = False
        self.dropped_fields: frozenset[str] = frozenset()
        self.drafts = Drafts(box, self)

    @property
    def limits(self) -> Limits:
        """The ceilings, which may be changed at any time."""
        return self.traffic.limits

    def routes(self) -> Iterable[web.RouteDef]:
        """Below ``/v1.0``."""
        for base in ("/v1.0/me", "/v1.0/users/{user}"):
            yield web.post(f"{base}/sendMail", self._send)
        yield web.get("/v1.0/me", self._me)
        yield from self.drafts.routes()

    async def handle(self, request: web.Request, endpoint: str, permission: str, work: Work) -> web.StreamResponse:
        """Has ``work`` answer a caller with that permission; counts, limits, and stamps the answer."""
        request[REQUEST_ID] = str(uuid.uuid4())

        async def guarded() -> web.Response:
            try:
                if len(await request.read()) > self.limits.request_bytes:
                    raise Problem(413)
                return await work(caller(self._box, request, permission))
            except Problem as error:
                return self.refused(request, error)

        try:
            access = token_of(self._box, request)
        except Problem:
            return self._stamped(request, await self._box.answer(request, endpoint, guarded))
        mailbox = mailbox_named(self._box, request, access)
        name = mailbox.address if mailbox else access.account
        try:
            self.traffic.enter(access, name)
        except Problem as error:
            self._box.calls[endpoint] += 1
            await request.read()
            return self._stamped(request, self.refused(request, error))
        try:
            return self._stamped(request, await self._box.answer(request, endpoint, guarded, account=name))
        finally:
            self.traffic.leave(access, name)

    def refused(self, request: web.Request, error: Problem) -> web.Response:
        """A refusal in Graph's words."""
        number = request.get(REQUEST_ID, "")
        return problem(
            error.status, error.code, error.message, clock=self._box.clock, headers=error.headers, request_id=number
        )

    def _stamped(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        number = request[REQUEST_ID]
        response.headers.setdefault("request-id", number)
        response.headers.setdefault("client-request-id", request.headers.get("client-request-id", number))
        return response

    async def _me(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            user = who.mailbox
            return web.json_response(
                {"id": user.subject, "displayName": user.name, "mail": user.address, "userPrincipalName": user.upn}
            )

        return await self.handle(request, "me", "User.Read", work)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            body = await request.read()
            if request.content_type == "text/plain":
                self.deliver_mime(who, read_mime(body), "mime", request[REQUEST_ID])
            elif request.content_type == "application/json":
                self.deliver_message(who, _given(body), "json", request[REQUEST_ID])
            else:
                raise Problem(415)
            return web.Response(status=202)

        return await self.handle(request, "send", "Mail.Send", work)

    def deliver_mime(self, who: Caller, mime: Mime, form: str, request_id: str) -> None:
        """Takes a MIME mail. Whatever its From says, it goes out in the mailbox's own name."""
        author = mime.author()
        own = author is not None and author.address.lower() == who.mailbox.address.lower()
        seen = sender(who, author if own else None, aliases=False, directory_names=self.directory_names)
        content = delivered_mime(mime, seen, self._box.clock(), self.dropped_fields)
        self._take(who, seen, mime.recipients, content, form, request_id)

    def deliver_message(
        self, who: Caller, message: Message, form: str, request_id: str, more: Iterable[Attachment] = ()
    ) -> None:
        """Takes a JSON message. Its ``from`` counts, if the mailbox has the right."""
        if not message.recipients:
            raise Problem(400, "ErrorInvalidRecipients", "At least one recipient is not valid.")
        seen = sender(who, message.sender, aliases=self.send_from_alias_enabled, directory_names=self.directory_names)
        content = compose(message, seen, self._box.clock(), tuple(more))
        self._take(who, seen, message.recipients, content, form, request_id)

    def _take(
        self, who: Caller, seen: Sender, recipients: tuple[str, ...], content: bytes, form: str, request_id: str
    ) -> None:
        if len(content) > self.limits.message_bytes:
            raise Problem(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum supported size.")
        self._box.keep(
            Mail(who.mailbox.address, seen.visible.address, recipients, content, self._box.clock(), form, request_id)
        )


def _given(body: bytes) -> Message:
    """The parameters of the action, whose names are documented with small and written with large first letters."""
    given = members(read_object(body), "microsoft.graph.sendMail", ("message", "Message", *_SAVE))
    if not all(isinstance(given[name], bool) for name in _SAVE if name in given):
        raise unreadable("Cannot convert the literal to the expected type 'Edm.Boolean': saveToSentItems.")
    found = [given[name] for name in ("message", "Message") if name in given]
    if len(found) != 1:
        raise Problem(400, "ErrorInvalidParameter", "The message parameter is missing.")
    return read_message(found[0])
