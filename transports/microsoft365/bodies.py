"""A mail as Graph takes it: the whole message in base64, or a *message* resource in JSON.

MIME keeps every part and field, but Graph takes the *From* from the mailbox whatever the message says. JSON knows one
body and five fields that begin with ``x-``, but its ``from`` is obeyed or refused, never replaced in silence. So a mail
from the mailbox's own address goes as MIME, and one from any other address (an alias, a shared mailbox), or where the
mailbox's own is not known, as JSON.

What JSON has no place for is given as extended properties, which Exchange writes as header fields as far as it knows
them: best effort, and no mail depends on it. That is documented nowhere, so whoever refuses them gets the mail without.
"""

import json
from binascii import b2a_base64
from typing import Any

from transports.headers import clean, further, is_message_id, refused, without_surrogates
from transports.message import Attachment, Mail, Mailbox
from transports.mime import needs_smtputf8, render
from transports.mime_addresses import wire_address
from transports.mime_bodies import checked_content_id, file_name, media_type

MOST_FIELDS = 5
"""Fields that ``internetMessageHeaders`` takes; the names of all begin with ``x-``."""
PROPERTIES = "singleValueExtendedProperties"
_INTERNET_HEADERS = "String {00020386-0000-0000-C000-000000000046} Name "  # PS_INTERNET_HEADERS, MS-OXPROPS §1.3.2
_MESSAGE_ID = "String 0x1035"  # PidTagInternetMessageId, MS-OXPROPS
_IN_REPLY_TO = "String 0x1042"  # PidTagInReplyToId, MS-OXPROPS
_REFERENCES = "String 0x1039"  # PidTagInternetReferences, MS-OXPROPS

Json = dict[str, Any]


def mime(mail: Mail) -> bytes:
    """The message in base64 for ``Content-Type: text/plain``; *Bcc* is in it, Exchange takes it out.

    Raises:
        MessageRefused: as :func:`transports.mime.render`.
    """
    return b2a_base64(render(mail, utf8=needs_smtputf8(mail), bcc=True), newline=False)


def message(mail: Mail, *, draft: bool = False, properties: bool = True) -> Json:
    """The *message* resource, with extended ``properties`` or without; all recipients that the mail names get it.

    A ``draft`` has no attachments yet. Its *Message-ID* may be set by name, which is documented for drafts alone;
    *sendMail* is given it as an extended property.

    Raises:
        MessageRefused: an address, identifier or further field is malformed (code ``message_refused``).
    """
    is_html = mail.html is not None
    content = mail.html if is_html else mail.text
    found: Json = {
        "subject": clean(mail.subject),
        "body": {"contentType": "html" if is_html else "text", "content": without_surrogates(content or "")},
        "from": _recipient(mail.sender),
        "toRecipients": [_recipient(each) for each in mail.to],
    }
    identifier = _identifier("Message-ID", mail.message_id)
    if draft:
        found["internetMessageId"] = identifier
    if mail.cc:
        found["ccRecipients"] = [_recipient(each) for each in mail.cc]
    if mail.bcc:
        found["bccRecipients"] = [_recipient(each) for each in mail.bcc]
    if mail.reply_to:
        found["replyTo"] = [_recipient(each) for each in mail.reply_to]
    fields, extended = _fields(mail)
    if not draft:
        extended.append({"id": _MESSAGE_ID, "value": identifier})
    if fields:
        found["internetMessageHeaders"] = fields
    if extended and properties:
        found[PROPERTIES] = extended
    if mail.attachments and not draft:
        found["attachments"] = [attachment(each, mail) for each in mail.attachments]
    return found


def attachment(given: Attachment, mail: Mail) -> Json:
    """The *fileAttachment* resource.

    Raises:
        MessageRefused: the content id is malformed.
    """
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": file_name(given.filename) or "attachment",
        "contentType": media_type(given.content_type),
        "contentBytes": b2a_base64(given.content, newline=False).decode(),
        **_inline(given, mail),
    }


def upload(given: Attachment, mail: Mail) -> Json:
    """The request for an upload session of an attachment that is too large for one request.

    Raises:
        MessageRefused: the content id is malformed.
    """
    item = {
        "attachmentType": "file",
        "name": file_name(given.filename) or "attachment",
        "contentType": media_type(given.content_type),
        "size": len(given.content),
        **_inline(given, mail),
    }
    return {"AttachmentItem": item}


def encode(value: Json) -> bytes:
    """JSON as it goes over the wire."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _inline(given: Attachment, mail: Mail) -> Json:
    if given.content_id is None or mail.html is None:
        return {"isInline": False}
    return {"isInline": True, "contentId": checked_content_id(given.content_id)}


def _recipient(mailbox: Mailbox) -> Json:
    address = {"address": wire_address(mailbox.address)}
    name = clean(mailbox.name).strip()
    return {"emailAddress": {"name": name, **address} if name else address}


def _identifier(name: str, value: str) -> str:
    if not is_message_id(value):
        raise refused(name)
    return value


def _fields(mail: Mail) -> tuple[list[Json], list[Json]]:
    fields: list[Json] = []
    properties: list[Json] = []
    for name, value in mail.headers:
        further(name, value)  # what could not stand in a header is refused here too
        if name.lower().startswith("x-") and len(fields) < MOST_FIELDS:
            fields.append({"name": name, "value": value})
        else:
            properties.append({"id": f"{_INTERNET_HEADERS}{name}", "value": value})
    if mail.in_reply_to:
        properties.append({"id": _IN_REPLY_TO, "value": _identifier("In-Reply-To", mail.in_reply_to)})
    if mail.references:
        identifiers = [_identifier("References", each) for each in mail.references]
        properties.append({"id": _REFERENCES, "value": " ".join(identifiers)})
    return fields, properties
