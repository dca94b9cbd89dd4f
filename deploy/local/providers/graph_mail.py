"""Mails as Exchange makes them: JSON messages turned into RFC 5322 bytes, MIME checked and given the right From."""

import base64
import binascii
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, getaddresses
from typing import Final

from deploy.local.providers.graph_errors import Problem
from deploy.local.providers.graph_json import valid_address
from deploy.local.providers.graph_values import Attachment, Mailbox, Message

_HEADER_PROPERTY: Final = re.compile(r"String \{00020386-0000-0000-[cC]000-000000000046\} Name (\S+)")
_TAGS: Final = {"0x1042": "In-Reply-To", "0x1039": "References", "0x1035": "Message-ID"}
_ONCE: Final = ("from", "sender", "date", "subject", "message-id", "to", "cc", "bcc", "reply-to")
_RESERVED: Final = frozenset({*_ONCE, "mime-version", "content-type", "content-transfer-encoding"}) - {"message-id"}
_LONGEST_LINE: Final = 998


@dataclass(frozen=True, slots=True)
class Sender:
    """From whom recipients see a mail: ``visible``, and ``behind`` it the mailbox that acts on behalf of that one."""

    visible: Mailbox
    behind: Mailbox | None = None


@dataclass(frozen=True, slots=True)
class Mime:
    """A mail as it came: its header fields in order, with their folding, and all behind the empty line."""

    fields: tuple[tuple[str, bytes], ...]
    body: bytes
    recipients: tuple[str, ...]

    def value(self, name: str) -> str:
        """A field's content, unfolded and undecoded; empty if there is none."""
        found = next((raw for one, raw in self.fields if one == name), b"")
        return _unfolded(found)

    def author(self) -> Mailbox | None:
        """What is in the From field."""
        pairs = getaddresses([self.value("from")])
        if not pairs or not pairs[0][1]:
            return None
        return Mailbox(pairs[0][1], str(make_header(decode_header(pairs[0][0]))))


def read_mime(text: bytes) -> Mime:
    """The mail in a request's body.

    Raises:
        Problem: it is no standard base64, breaks RFC 5322 or goes to nobody.
    """
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise Problem(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.") from None
    return parse_mime(content)


def parse_mime(content: bytes) -> Mime:
    """The same for the bytes themselves."""
    head, empty, body = content.partition(b"\r\n\r\n")
    if not empty or re.search(rb"[^\r]\n|\r[^\n]|^\n|\r\Z", content):
        raise _broken("line ends")
    if max(map(len, content.split(b"\r\n"))) > _LONGEST_LINE:
        raise _broken("a line is too long")
    fields = []
    for raw in re.split(rb"\r\n(?![ \t])", head):
        name, colon, _ = raw.partition(b":")
        if not colon or not re.fullmatch(rb"[!-9;-~]+", name):
            raise _broken("a header field")
        fields.append((name.decode("ascii").lower(), raw + b"\r\n"))
    names = [name for name, _ in fields]
    if any(names.count(one) > 1 for one in _ONCE):
        raise _broken("a header field is repeated")
    if any(part.defects for part in message_from_bytes(content, policy=policy.compat32).walk()):
        raise _broken("the structure")
    return Mime(tuple(fields), body, _recipients(fields))


def delivered_mime(mime: Mime, sender: Sender, now: float, dropped: frozenset[str] = frozenset()) -> bytes:
    """As it leaves: From is the mailbox's, Bcc is gone, Date and Message-ID are there."""
    author = mime.author()
    keeps = author is not None and author.address.lower() == sender.visible.address.lower()
    keeps = keeps and author is not None and author.name == sender.visible.name
    gone = {"bcc", *dropped} | (set() if keeps else {"from"}) | ({"sender"} if sender.behind else set())
    kept = b"".join(raw for name, raw in mime.fields if name not in gone)
    names = {name for name, _ in mime.fields}
    added = EmailMessage(policy=policy.SMTP)
    if not keeps:
        added["From"] = _address(sender.visible)
    if sender.behind is not None:
        added["Sender"] = _address(sender.behind)
    if "date" not in names:
        added["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    if "message-id" not in names:
        added["Message-ID"] = new_message_id()
    front = added.as_bytes().removesuffix(b"\r\n") if len(added) else b""
    return front + kept + b"\r\n" + mime.body


def compose(message: Message, sender: Sender, now: float, more: Sequence[Attachment] = ()) -> bytes:
    """The bytes of a JSON message as recipients get them, without Bcc."""
    everybody = [sender.visible, *message.to, *message.cc, *message.reply_to]
    ascii_only = all(one.address.isascii() for one in everybody)
    mail = EmailMessage(policy=policy.SMTP if ascii_only else policy.SMTPUTF8)
    mail["From"] = _address(sender.visible)
    if sender.behind is not None:
        mail["Sender"] = _address(sender.behind)
    for name, boxes in (("To", message.to), ("Cc", message.cc), ("Reply-To", message.reply_to)):
        if boxes:
            mail[name] = [_address(one) for one in boxes]
    mail["Subject"] = re.sub(r"[\r\n]+", " ", message.subject)
    mail["Date"] = format_datetime(datetime.fromtimestamp(now, UTC))
    if message.importance != "normal":
        mail["Importance"] = message.importance
    for name, value in (*message.headers, *_extended(message)):
        del mail[name]
        mail[name] = value
    if "Message-ID" not in mail:
        mail["Message-ID"] = message.message_id or new_message_id()
    mail.set_content(message.text, subtype="html" if message.html else "plain")
    for one in sorted((*message.attachments, *more), key=lambda one: not one.inline):
        attach(mail, one)
    return mail.as_bytes()


def attach(mail: EmailMessage, one: Attachment) -> None:
    """Adds a file: beside the text, or within it when it is shown inline."""
    main, _, sub = one.kind.partition(";")[0].strip().lower().partition("/")
    if not re.fullmatch(r"[a-z]+/[!#$&^_.+a-z0-9-]+", f"{main}/{sub}") or main in ("multipart", "message"):
        main, sub = "application", "octet-stream"
    if one.inline and one.content_id and mail.get_content_type() in ("text/html", "multipart/related"):
        mail.add_related(one.content, main, sub, cid=f"<{one.content_id}>", filename=one.name, disposition="inline")
        return
    cid = f"<{one.content_id}>" if one.content_id else None
    mail.add_attachment(one.content, main, sub, filename=one.name, cid=cid)


def new_message_id() -> str:
    """As Exchange makes them."""
    return f"<{uuid.uuid4().hex.upper()}@EURPRD01.PROD.OUTLOOK.COM>"


def _broken(what: str) -> Problem:
    return Problem(400, "ErrorMimeContentInvalid", f"The MIME content is invalid: {what}.")


def _unfolded(raw: bytes) -> str:
    value = raw.partition(b":")[2]
    return re.sub(rb"\r\n(?=[ \t])", b"", value).strip().decode("utf-8", "replace")


def _recipients(fields: Sequence[tuple[str, bytes]]) -> tuple[str, ...]:
    values = [_unfolded(raw) for name, raw in fields if name in ("to", "cc", "bcc")]
    found = tuple(address for name, address in getaddresses(values) if address or name)
    if not found or not all(map(valid_address, found)):
        raise Problem(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    return found


def _address(box: Mailbox) -> Address:
    local, _, domain = box.address.rpartition("@")
    return Address(display_name=box.name, username=local, domain=domain)


def _extended(message: Message) -> list[tuple[str, str]]:
    """Header fields that extended MAPI properties stand for."""
    found = []
    for name, value in message.properties.items():
        named, tag = _HEADER_PROPERTY.fullmatch(name), _TAGS.get(name.removeprefix("String "))
        if named and named[1].lower() not in _RESERVED:
            found.append((named[1], value))
        elif tag:
            found.append((tag, value))
    return found
