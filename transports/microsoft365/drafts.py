"""A large mail: a draft, its attachments one by one, and the request to send it, which alone hands it over."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from transports.errors import AccountProblem, Code, MessageRefused, Temporary
from transports.http import Reply
from transports.message import Attachment, Mail
from transports.microsoft365 import bodies
from transports.microsoft365.calls import Calls
from transports.microsoft365.replies import NAME
from transports.microsoft365.sizes import RANGE, REQUEST, SMALL, Draft

_ROOM = 4096  # octets of an attachment's request beside its content


class DraftFlow:
    """One draft. ``path`` is where it is, once Graph has said so; whoever gives up may delete it there."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.path = ""
        self.handed_over = False

    async def send(self, planned: Draft, mail: Mail) -> None:
        """Until its last request nothing is handed over, so a failure then is never ``OutcomeUnknown``."""
        reply = await self._create(planned)
        # Immutable identifiers are not asked for: the draft is sent before it could move.
        self.path = f"/messages/{quote(_text(reply, 'id'), safe='')}"
        for attachment in planned.attachments:
            await self._attach(attachment, mail)
        self.handed_over = True
        await self._calls.post(f"{self.path}/send", b"", final=True)

    async def _create(self, planned: Draft) -> Reply:
        try:
            return await self._calls.post("/messages", planned.body, plain=planned.plain)
        except AccountProblem as error:
            if error.code is not Code.PERMISSION_MISSING:
                raise
            # Smaller mails need no drafts: the account is none the worse.
            raise MessageRefused(Code.MESSAGE_TOO_LARGE, f"{error.detail} for drafts", transport=NAME) from error

    async def _attach(self, attachment: Attachment, mail: Mail) -> None:
        if len(attachment.content) * 4 // 3 <= REQUEST - _ROOM:
            await self._attach_whole(attachment, mail)
            return
        session = bodies.encode(bodies.upload(attachment, mail))
        try:
            reply = await self._calls.post(f"{self.path}/attachments/createUploadSession", session)
        except MessageRefused:
            # "3 MB" may be a little more than what fits into one request of "4 MB"
            if len(attachment.content) > SMALL:
                raise
            await self._attach_whole(attachment, mail)
            return
        url = _text(reply, "uploadUrl")
        if urlsplit(url).scheme != "https":
            raise Temporary(Code.PROTOCOL_ERROR, "no upload URL", transport=NAME)
        size = len(attachment.content)
        for start in range(0, size, RANGE):
            part = attachment.content[start : start + RANGE]
            await self._calls.put(url, part, _range(start, len(part), size))

    async def _attach_whole(self, attachment: Attachment, mail: Mail) -> None:
        body = bodies.encode(bodies.attachment(attachment, mail))
        await self._calls.post(f"{self.path}/attachments", body)


def _range(start: int, length: int, size: int) -> Mapping[str, str]:
    return {"Content-Range": f"bytes {start}-{start + length - 1}/{size}"}


def _text(reply: Reply, name: str) -> str:
    try:
        found: Any = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise Temporary(Code.PROTOCOL_ERROR, "unreadable reply", transport=NAME) from error
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or not value:
        raise Temporary(Code.PROTOCOL_ERROR, f"no {name}", transport=NAME)
    return value
