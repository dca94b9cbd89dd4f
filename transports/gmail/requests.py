"""The one request that sends a mail by the Gmail API, in its two forms, ready to be carried by our session."""

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transports.errors import Code, MessageRefused

if TYPE_CHECKING:
    from transports.gmail.discovery import Built, Messages

NAME = "gmail"

LARGEST = 36_700_160
"""Octets of a mail that the API takes (the method's ``maxSize`` in the discovery document: 35 MiB)."""

LARGEST_FILES = 25 * 2**20
"""Octets of all attachments together that Gmail takes (support.google.com/mail/answer/6584); in base64, a bit less
than ``LARGEST``."""

LARGEST_RAW = 2**18
"""Octets up to which a mail goes as base64url in JSON; beyond, it is uploaded as it is. The API would take more than
ten times as much, but encoding takes 8 ms a megabyte in which the event loop stands still, and an upload none."""

_NOT_SENT = frozenset({"accept-encoding", "user-agent"})
"""Header fields that only say something about the client's own HTTP layer."""


ReadError = Callable[[int, bytes], tuple[str, tuple[str, ...]]]
"""Makes of a refusal's status and body its message and the reasons it gives; see ``discovery.read_error``."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request without its authorisation, and how a refusal of it is read."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    read_error: ReadError


class Requests:
    """Builds the requests for one API address; see :func:`requests_for`."""

    def __init__(self, messages: "Messages", read_error: ReadError) -> None:
        self._messages = messages
        self._read_error = read_error

    def send(self, content: bytes) -> Request:
        """Sends ``content``, a whole mail with its *Bcc* field; the account is the token's.

        Raises ``MessageRefused`` for what Gmail would not take for its size.
        """
        if len(content) > LARGEST:
            raise too_large(len(content), LARGEST)
        if len(content) > LARGEST_RAW:
            return self._request(self._messages.send_media(content))
        return self._request(self._messages.send_raw(urlsafe_b64encode(content).decode()))

    def nothing(self) -> Request:
        """Sends nothing: it is refused for want of a mail, by whoever would take one."""
        return self._request(self._messages.send_raw(""))

    def _request(self, built: "Built") -> Request:
        headers = {name.title(): value for name, value in built.headers.items() if name not in _NOT_SENT}
        body = built.body.encode() if isinstance(built.body, str) else built.body
        return Request(built.method, built.uri, headers, body, self._read_error)


def too_large(size: int, limit: int) -> MessageRefused:
    """The error for a mail that need not be offered."""
    return MessageRefused(Code.MESSAGE_TOO_LARGE, f"{size} of at most {limit} octets", transport=NAME)


_READY: dict[str, Requests] = {}
"""By API address, for the whole process: the client and its document are read once."""


async def requests_for(url: str) -> Requests:
    """The builder for the API at ``url`` (without path and final slash); the first one is made ready in a thread."""
    found = _READY.get(url)
    if found is None:
        found = _READY.setdefault(url, await asyncio.to_thread(_load, url))
    return found


def _load(url: str) -> Requests:
    from transports.gmail.discovery import Messages, read_error  # noqa: PLC0415 # see there

    return Requests(Messages(url), read_error)
