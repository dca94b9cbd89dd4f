"""Large attachments at Microsoft Graph: an upload session, and ranges in order to an address of another host."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from aiohttp import web

from deploy.local.providers.graph_access import Caller
from deploy.local.providers.graph_errors import Problem, unreadable
from deploy.local.providers.graph_json import members, read_object
from deploy.local.providers.graph_values import Attachment

if TYPE_CHECKING:
    from deploy.local.providers.graph import Graph
    from deploy.local.providers.graph_drafts import Draft, Drafts
    from deploy.local.providers.microsoft import MicrosoftSandbox

SMALL: Final = 3 * 1024 * 1024
"""Bytes of an attachment that is sent in one piece at most."""
_LEAST: Final = 2 * 1024 * 1024
"""Bytes that a session is for at least: not documented, measured by others (issue 4690 of the documentation)."""
LARGE: Final = 150 * 1024 * 1024
_SESSION: Final = 3600.0
_RANGE: Final = re.compile(r"bytes (\d{1,12})-(\d{1,12})/(\d{1,12})")
_ITEM: Final = ("@odata.type", "attachmentType", "name", "size", "contentType", "isInline", "contentId")


@dataclass(slots=True)
class Session:
    """An upload under way; whoever has ``key`` may go on with it."""

    key: str
    draft: "Draft"
    owner: tuple[str, str]
    item: Attachment
    size: int
    expires: float
    data: bytearray = field(default_factory=bytearray)


class Uploads:
    """All sessions, for the drafts that they belong to."""

    def __init__(self, box: "MicrosoftSandbox", graph: "Graph", drafts: "Drafts") -> None:
        self._box, self._graph, self._drafts = box, graph, drafts
        self._sessions: dict[str, Session] = {}

    def routes(self) -> Iterable[web.RouteDef]:
        """Sessions are opened at Graph; ranges go to a path that is not Graph's."""
        for base in ("/v1.0/me/messages", "/v1.0/users/{user}/messages"):
            yield web.post(f"{base}/{{id}}/attachments/createUploadSession", self._open)
        yield web.put("/outlook/uploads/{session}", self._upload)
        yield web.delete("/outlook/uploads/{session}", self._cancel)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        async def work(who: Caller) -> web.Response:
            draft = self._drafts.find(request, who)
            given = members(
                read_object(await request.read()), "microsoft.graph.createUploadSession", ("AttachmentItem",)
            )
            item, size = _item(given.get("AttachmentItem"))
            owner = (who.access.client_id, who.mailbox.address)
            session = Session(secrets.token_urlsafe(40), draft, owner, item, size, self._box.clock() + _SESSION)
            name = secrets.token_urlsafe(24)
            self._sessions[name] = session
            url = f"{self._box.url}/outlook/uploads/{name}?authtoken={session.key}"
            return web.json_response({"uploadUrl": url, **self._progress(session)}, status=201)

        return await self._graph.handle(request, "upload_session", "Mail.ReadWrite", work)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        async def work() -> web.Response:
            try:
                session = self._session(request)
                self._range(request, session, await request.read())
            except Problem as error:
                return self._graph.refused(request, error)
            if len(session.data) < session.size:
                return web.json_response(self._progress(session))
            item = session.item
            session.draft.attachments.append(
                Attachment(item.name, item.kind, bytes(session.data), item.inline, item.content_id)
            )
            del self._sessions[request.match_info["session"]]
            where = f"{self._box.url}/api/v2.0/Attachments('{secrets.token_urlsafe(60)}')"
            return web.Response(status=201, headers={"Location": where})

        return await self._box.answer(request, "upload", work, account=self._owner(request))

    async def _cancel(self, request: web.Request) -> web.StreamResponse:
        async def work() -> web.Response:
            try:
                self._session(request)
            except Problem as error:
                return self._graph.refused(request, error)
            del self._sessions[request.match_info["session"]]
            return web.Response(status=204)

        return await self._box.answer(request, "upload:cancel", work, account=self._owner(request))

    def _owner(self, request: web.Request) -> str:
        session = self._sessions.get(request.match_info["session"])
        return session.draft.mailbox if session else ""

    def _session(self, request: web.Request) -> Session:
        """The session of an address nobody has edited, from a request without a token (it is not Graph's host)."""
        session = self._sessions.get(request.match_info["session"])
        if session is None or not secrets.compare_digest(
            request.query.get("authtoken", "").encode(), session.key.encode()
        ):
            raise Problem(404, "ErrorItemNotFound", "The upload session was not found.")
        if "Authorization" in request.headers:
            raise Problem(401, "InvalidAuthenticationToken", "The upload address is authenticated already.")
        if self._box.clock() >= session.expires:
            raise Problem(410, "ErrorItemNotFound", "The upload session has expired.")
        return session

    def _range(self, request: web.Request, session: Session, data: bytes) -> None:
        found = _RANGE.fullmatch(request.headers.get("Content-Range", ""))
        if found is None or request.content_type != "application/octet-stream":
            raise Problem(400, "ErrorInvalidRequest", "Content-Range or Content-Type is missing or not valid.")
        first, last, total = map(int, found.groups())
        if total != session.size or last - first + 1 != len(data) or last >= total:
            raise Problem(400, "ErrorInvalidRequest", "Content-Range does not fit the content.")
        if len(data) >= self._graph.limits.request_bytes:
            raise Problem(413)
        if first != len(session.data):
            raise Problem(416, "ErrorInvalidRange", f"The next expected range begins at {len(session.data)}.")
        self._graph.traffic.upload(session.owner, len(data))
        session.data += data

    def _progress(self, session: Session) -> dict[str, object]:
        ends = datetime.fromtimestamp(session.expires, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {"expirationDateTime": ends, "nextExpectedRanges": [f"{len(session.data)}-"]}


def _item(value: object) -> tuple[Attachment, int]:
    given = members(value, "microsoft.graph.attachmentItem", _ITEM)
    size, name = given.get("size"), given.get("name")
    if given.get("attachmentType") != "file" or not isinstance(name, str) or not name:
        raise unreadable("attachmentType and name of the attachment item are required.")
    if not isinstance(size, int) or isinstance(size, bool) or size > LARGE:
        raise Problem(400, "ErrorAttachmentSizeLimitExceeded", "The attachment is too large.")
    if size < _LEAST:
        raise Problem(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize", "Attachment size is too small.")
    kind = str(given.get("contentType") or "application/octet-stream")
    return Attachment(name, kind, b"", bool(given.get("isInline", False)), str(given.get("contentId") or "")), size
