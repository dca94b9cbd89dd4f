"""Drafts of Microsoft Graph: made, given attachments, sent or thrown away."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

from aiohttp import web

from deploy.local.providers.graph_access import REQUEST_ID, Caller
from deploy.local.providers.graph_errors import Problem
from deploy.local.providers.graph_json import read_attachment, read_message, read_object
from deploy.local.providers.graph_mail import Mime, attach, new_message_id, parse_mime, read_mime
from deploy.local.providers.graph_uploads import SMALL, Uploads
from deploy.local.providers.graph_values import Attachment, Message

if TYPE_CHECKING:
    from deploy.local.providers.graph import Graph
    from deploy.local.providers.microsoft import MicrosoftSandbox


@dataclass(slots=True)
class Draft:
    """A message in the Drafts folder, as JSON or MIME; a sent one keeps its id if that was asked to be immutable."""

    id: str
    mailbox: str
    message_id: str
    content: Message | Mime
    immutable: bool
    attachments: list[Attachment] = field(default_factory=list)
    sent: bool = False


class Drafts:
    """All mailboxes' drafts, for the sandbox that owns them."""

    def __init__(self, box: "MicrosoftSandbox", graph: "Graph") -> None:
        self._box, self._graph = box, graph
        self.drafts: dict[str, Draft] = {}
        self._uploads = Uploads(box, graph, self)

    def routes(self) -> Iterable[web.RouteDef]:
        """Below ``/v1.0``."""
        for base in ("/v1.0/me/messages", "/v1.0/users/{user}/messages"):
            yield web.post(base, self._create)
            yield web.get(f"{base}/{{id}}", self._read)
            yield web.delete(f"{base}/{{id}}", self._delete)
            yield web.post(f"{base}/{{id}}/send", self._send)
            yield web.post(f"{base}/{{id}}/attachments", self._attach)
        yield from self._uploads.routes()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            body = await request.read()
            content: Message | Mime
            if request.content_type == "text/plain":
                content = read_mime(body)
                number = content.value("message-id") or new_message_id()
                if not content.value("message-id"):
                    added = ("message-id", f"Message-ID: {number}\r\n".encode())
                    content = replace(content, fields=(*content.fields, added))
            elif request.content_type == "application/json":
                content = read_message(read_object(body))
                number = content.message_id or new_message_id()
                content = replace(content, message_id=number)
            else:
                raise Problem(415)
            name = f"AAMk{secrets.token_urlsafe(90)}="
            immutable = 'idtype="immutableid"' in request.headers.get("Prefer", "").lower()
            draft = Draft(name, who.mailbox.address, number, content, immutable)
            self.drafts[draft.id] = draft
            return web.json_response(_shown(draft), status=201)

        return await self._graph.handle(request, "draft", "Mail.ReadWrite", work)

    async def _read(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            return web.json_response(_shown(self.find(request, who, sent=True)))

        return await self._graph.handle(request, "draft:read", "Mail.ReadWrite", work)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            del self.drafts[self.find(request, who, sent=True).id]
            return web.Response(status=204)

        return await self._graph.handle(request, "draft:delete", "Mail.ReadWrite", work)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            if await request.read():
                raise Problem(400, "BadRequest", "The body must be empty.")
            draft = self.find(request, who)
            if isinstance(draft.content, Mime):
                self._graph.deliver_mime(
                    who, _with_files(draft.content, draft.attachments), "draft", request[REQUEST_ID]
                )
            else:
                self._graph.deliver_message(who, draft.content, "draft", request[REQUEST_ID], draft.attachments)
            draft.sent = True
            return web.Response(status=202)

        return await self._graph.handle(request, "send:draft", "Mail.Send", work)

    async def _attach(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            draft, item = self.find(request, who), read_attachment(read_object(await request.read()))
            if len(item.content) > SMALL:
                raise Problem(413)
            draft.attachments.append(item)
            shown = {"@odata.type": "#microsoft.graph.fileAttachment", "id": secrets.token_urlsafe(60)}
            return web.json_response({**shown, "name": item.name, "size": len(item.content)}, status=201)

        return await self._graph.handle(request, "attach", "Mail.ReadWrite", work)

    def find(self, request: web.Request, who: Caller, *, sent: bool = False) -> Draft:
        """The draft that the path names; with ``sent`` also one that was sent under an immutable id.

        Raises:
            Problem: the mailbox has none.
        """
        draft = self.drafts.get(request.match_info["id"])
        gone = draft is not None and draft.sent and not (sent and draft.immutable)
        if draft is None or gone or draft.mailbox != who.mailbox.address:
            raise Problem(404)
        return draft


def _shown(draft: Draft) -> dict[str, object]:
    subject = draft.content.subject if isinstance(draft.content, Message) else draft.content.value("subject")
    return {
        "id": draft.id,
        "internetMessageId": draft.message_id,
        "isDraft": not draft.sent,
        "subject": subject,
        "hasAttachments": bool(draft.attachments),
    }


def _with_files(mime: Mime, files: list[Attachment]) -> Mime:
    if not files:
        return mime
    mail = message_from_bytes(b"".join(raw for _, raw in mime.fields) + b"\r\n" + mime.body, policy=policy.SMTP)
    for one in files:
        attach(mail, one)
    return parse_mime(mail.as_bytes())
