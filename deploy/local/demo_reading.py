"""Reads a received mail back, independently of the product's composer: header fields, texts, attachments."""

import email
import email.policy
import re
from dataclasses import dataclass
from email.header import decode_header, make_header
from email.message import Message
from email.utils import getaddresses

Mailboxes = tuple[tuple[str, str], ...]
"""Display name and address of each."""


@dataclass(frozen=True, slots=True)
class File:
    """An attachment; ``cid`` is empty unless it is an inline picture."""

    name: str
    media: str
    content: bytes
    cid: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A mail as its reader's program would show it. ``fields`` are all header fields, unfolded, in lower case."""

    fields: dict[str, str]
    text: str | None
    html: str | None
    files: tuple[File, ...]

    def words(self, name: str) -> str:
        """A field of free text, decoded (RFC 2047)."""
        return decoded(self.fields.get(name, ""))

    def mailboxes(self, name: str) -> Mailboxes:
        """An address field, with decoded names."""
        value = self.fields.get(name)
        return tuple((decoded(shown), address) for shown, address in getaddresses([value])) if value else ()


def read(content: bytes) -> Reading:
    """Reads the bytes of one mail."""
    texts: dict[str, str] = {}
    files: list[File] = []
    for part in email.message_from_bytes(content, policy=email.policy.compat32).walk():
        if part.is_multipart():
            continue
        media, data = part.get_content_type(), _data(part)
        name = part.get_filename()
        if name is None and media in ("text/plain", "text/html") and media not in texts:
            texts[media] = data.decode(part.get_content_charset("us-ascii"), "replace").replace("\r\n", "\n")
        else:
            files.append(File(decoded(name or ""), media, data, str(part.get("Content-ID", "")).strip("<>")))
    return Reading(_fields(content), texts.get("text/plain"), texts.get("text/html"), tuple(files))


def decoded(value: str) -> str:
    """Text with its encoded words decoded."""
    return str(make_header(decode_header(value))) if "=?" in value else value


def _data(part: Message) -> bytes:
    data = part.get_payload(decode=True)
    return data if isinstance(data, bytes) else b""


def _fields(content: bytes) -> dict[str, str]:
    """By the plain rule of RFC 5322 §2.2.3, because the parser does not read raw UTF-8 in fields (RFC 6532)."""
    head = content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    lines = re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n")
    pairs = [line.partition(":") for line in lines]
    return {name.lower(): value.strip() for name, _, value in pairs}
