"""Google's own client: it builds our requests and reads the refusals, and it never carries anything.

Its HTTP layer sends a POST a second time when the server closes the connection without an answer, whatever it is told;
so what it has built is taken out and sent by our own session. Importing it takes a tenth of a second, which only a
process that sends by Gmail pays, in a thread: nothing imports this module but ``requests``.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import responses
from typing import Any, NoReturn, Protocol

from googleapiclient.discovery import build_from_document
from googleapiclient.discovery_cache import get_static_doc
from googleapiclient.errors import HttpError
from googleapiclient.http import MediaInMemoryUpload

_ME = "me"


class Built(Protocol):
    """What is of use in a ``googleapiclient.http.HttpRequest``."""

    method: str
    uri: str
    headers: Mapping[str, str]
    body: str | bytes


class _NoHttp:
    """In the place of the client's HTTP layer. Without one it would look for credentials of its own."""

    def request(self, *_: object, **__: object) -> NoReturn:
        raise NotImplementedError("requests are sent by transports.http")


class Messages:
    """The methods of ``users.messages`` at ``url``, from the discovery document that comes with the client."""

    def __init__(self, url: str) -> None:
        document = get_static_doc("gmail", "v1")
        service = build_from_document(document, http=_NoHttp(), client_options={"api_endpoint": f"{url}/"})
        self._messages = service.users().messages()

    def send_raw(self, raw: str) -> Built:
        """``messages.send`` with the mail in the JSON, base64url."""
        built: Built = self._messages.send(userId=_ME, body={"raw": raw})
        return built

    def send_media(self, content: bytes) -> Built:
        """``messages.send`` with the mail as it is: a simple upload, in one request."""
        media = MediaInMemoryUpload(content, mimetype="message/rfc822", resumable=False)
        built: Built = self._messages.send(userId=_ME, media_body=media)
        return built


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    reason: str


def read_error(status: int, body: bytes) -> tuple[str, tuple[str, ...]]:
    """The message of a refusal, and the words it gives for why: those of ``errors``, of its details, its status.

    Words come from the JSON, because the client keeps one list only. Anything that is no such JSON has none.
    """
    message = ""
    with suppress(AttributeError, RecursionError):  # a message that is no text, or brackets without end
        message = HttpError(_Response(status, responses.get(status, "")), body).reason
    words: list[str] = []
    for error in _errors(body):
        for kind in ("errors", "details"):
            found = error.get(kind)
            each = found if isinstance(found, list) else []
            words += [one["reason"] for one in each if isinstance(one, dict) and isinstance(one.get("reason"), str)]
        if isinstance(error.get("status"), str):
            words.append(error["status"])
    return message, tuple(words)


def _errors(body: bytes) -> list[dict[str, Any]]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return []
    outer = found if isinstance(found, list) else [found]
    return [one["error"] for one in outer if isinstance(one, dict) and isinstance(one.get("error"), dict)]
