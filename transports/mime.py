"""A mail as the bytes of an Internet message (RFC 5322, 2045–2049), straight from the frozen value.

No ``email.message``: that costs a millisecond a mail. The same mail gives the same bytes every time. Lines end with
CRLF and have at most 998 octets; dot-stuffing and the envelope are the business of the SMTP transport. There is a
*Bcc* field only where a provider without an envelope is to take it out. Control characters cannot reach a header
(``headers``).

With ``utf8`` only addresses are written as raw UTF-8 (RFC 6532): names, subject and file names stay encoded, which
every reader understands, and the bodies are ASCII in any case.
"""

from hashlib import blake2b

from transports.headers import date, further, message_ids, unstructured
from transports.message import Mail
from transports.mime_addresses import address_field, envelope_address, needs_utf8, sender_field
from transports.mime_bodies import Part, attachment_part, multipart, text_part

__all__ = ["envelope_address", "needs_smtputf8", "render"]


def needs_smtputf8(mail: Mail) -> bool:
    """Whether the mail can be expressed in full only with SMTPUTF8 (RFC 6531).

    So it is when the local part of the sender, of a mailbox in *Reply-To*, *To* or *Cc*, or of a recipient still owed
    is not ASCII. Never raises.
    """
    shown = (mail.sender, *mail.reply_to, *mail.to, *mail.cc)
    if any(needs_utf8(mailbox.address) for mailbox in shown):
        return True
    return bool(mail.bcc) and any(needs_utf8(mailbox.address) for _, mailbox in mail.recipients())


def render(mail: Mail, *, utf8: bool, bcc: bool = False) -> bytes:
    """The whole message, to be sent with SMTPUTF8 if ``utf8``; otherwise it is pure ASCII.

    Without ``utf8`` a mailbox of *To*, *Cc* or *Reply-To* whose local part is not ASCII is shown as an empty group
    (RFC 6857), for the sake of the other recipients.

    ``bcc`` adds the *Bcc* field. It is for providers that read the recipients from the header and take this field out
    before anybody gets the mail; everywhere else it tells all recipients who the hidden ones are.

    Raises:
        MessageRefused: an address, identifier or further field is malformed (``message_refused``), or the sender
            needs SMTPUTF8 (``smtputf8_unsupported``).
    """
    fields = [
        date(mail.date),
        sender_field(mail.sender, utf8),
        address_field("To", mail.to, utf8) if mail.to else "",
        address_field("Cc", mail.cc, utf8) if mail.cc else "",
        address_field("Bcc", mail.bcc, utf8) if bcc and mail.bcc else "",
        "" if mail.to or mail.cc else "To: undisclosed-recipients:;",
        address_field("Reply-To", mail.reply_to, utf8) if mail.reply_to else "",
        unstructured("Subject", mail.subject),
        message_ids("Message-ID", (mail.message_id,)),
        message_ids("In-Reply-To", (mail.in_reply_to,)) if mail.in_reply_to else "",
        message_ids("References", mail.references) if mail.references else "",
        *[further(name, value) for name, value in mail.headers],
        "MIME-Version: 1.0",
    ]
    content = _content(mail)
    head = "\r\n".join([field for field in fields if field])
    last = content.body[-1]
    end = b"" if not last or last.endswith(b"\r\n") else b"\r\n"
    return b"".join((f"{head}\r\n{content.headers}\r\n".encode(), *content.body, end))


def _content(mail: Mail) -> Part:
    text = None if mail.text is None else text_part("plain", mail.text)
    html = None if mail.html is None else text_part("html", mail.html)
    if not mail.attachments:
        if text is not None and html is not None:
            return multipart("alternative", (text, html), _boundary("a", mail, text, html))
        return text or html or text_part("plain", "")
    inline = [attachment_part(each) for each in mail.attachments if html is not None and each.content_id is not None]
    files = [attachment_part(each) for each in mail.attachments if html is None or each.content_id is None]
    plain = [part for part in (text, html) if part is not None]
    body = html
    if html is not None and inline:
        body = multipart("related", (html, *inline), _boundary("r", mail, *plain), ' type="text/html";')
    if text is not None:
        body = text if body is None else multipart("alternative", (text, body), _boundary("a", mail, *plain))
    if not files:
        return body or text_part("plain", "")
    return multipart("mixed", files if body is None else (body, *files), _boundary("m", mail, *plain))


def _boundary(kind: str, mail: Mail, *parts: Part) -> str:
    """A boundary that depends on the mail alone and occurs in none of its bodies.

    ``=_`` occurs neither in quoted-printable nor in base64, so only bodies sent as they are need a look. The kind
    stands first: no boundary of a mail is the beginning of another one.
    """
    seed = mail.message_id.encode("utf-8", "surrogatepass")
    while True:
        boundary = f"=_{kind}{blake2b(seed, digest_size=15).hexdigest()}"
        needle = boundary.encode()
        if not any(needle in body for part in parts for body in part.plain):
            return boundary
        seed = needle
