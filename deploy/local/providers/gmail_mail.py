"""What Gmail makes of a message that comes by its API. Pure: bytes in, bytes and recipients out.

Recipients are those in To, Cc and Bcc. Bcc is taken out, Message-ID is replaced, and a From address that the account
may not use becomes the account's own, silently; nothing else changes.
"""

import email.policy
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Final

from deploy.local.providers.gmail_errors import bad_request

MAX_RECIPIENTS: Final = 100
_REPLACED: Final = frozenset({b"bcc", b"message-id", b"received", b"return-path"})
_ADDRESS: Final = re.compile(r"[^\s@<>\"(),:;]+@[^\s@<>\"(),:;]*[^\s@<>\"(),:;.]")
_FIELD: Final = re.compile(rb"[^\r\n]+(?:\r\n[ \t][^\r\n]*)*")
_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")

Fields = Sequence[tuple[bytes, bytes]]
"""Names in small letters, and the whole lines."""


@dataclass(frozen=True, slots=True)
class Senders:
    """Who an account may send as: its own address and name, and the accepted send-as addresses."""

    primary: str
    name: str
    accepted: frozenset[str]

    def allows(self, address: str) -> bool:
        """Whether a From address is kept."""
        return _same(address) in {_same(one) for one in (self.primary, *self.accepted)}


@dataclass(frozen=True, slots=True)
class Delivered:
    """A message as it leaves: ``sender`` is the effective From address, ``content`` the bytes without Bcc."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    message_id: str


def deliver(raw: bytes, senders: Senders, now: float) -> Delivered:
    """Takes a message as Gmail does; ``now`` is the time in seconds since 1970.

    Raises:
        ApiError: 400, when there is no usable message or recipient.
    """
    if not raw.strip():
        raise bad_request("'raw' RFC822 payload message string or uploading message via /upload/* URL required")
    # Gmail takes either line end; what leaves has CRLF.
    fields, body = _apart(raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n"))
    recipients = _recipients(fields)
    sender, kept = _sender(fields, senders)
    message_id = f"<CA{secrets.token_urlsafe(24)}@mail.gmail.com>"
    written = format_datetime(datetime.fromtimestamp(now, UTC))
    trace = f"Received: from mailroom named unknown by gmailapi.google.com with HTTPREST;\r\n\t{written}\r\n"
    lines = [trace.encode(), *(line for name, line in kept if name not in _REPLACED)]
    if not any(name == b"date" for name, _ in fields):
        lines.append(f"Date: {written}\r\n".encode())
    lines.append(f"Message-ID: {message_id}\r\n\r\n".encode())
    return Delivered(sender, recipients, b"".join(lines) + body, message_id)


def with_sender(content: bytes, senders: Senders) -> tuple[str, bytes]:
    """The effective From address of a message, and the message with it; all else stays.

    Raises:
        ApiError: 400, there is no single From address.
    """
    fields, body = _apart(content)
    sender, kept = _sender(fields, senders)
    return sender, b"".join(line for _, line in kept) + b"\r\n" + body


def _apart(content: bytes) -> tuple[Fields, bytes]:
    if content.startswith(b"\r\n"):
        return [], content[2:]
    head, _, body = content.partition(b"\r\n\r\n")
    return [(_name(one), one + b"\r\n") for one in _FIELD.findall(head)], body


def _name(field: bytes) -> bytes:
    found = _NAME.match(field)
    if found is None:
        raise bad_request("Invalid message headers")
    return found[1].lower()


def _values(fields: Fields, name: str) -> list[str]:
    """The unfolded values of a field; octets beyond ASCII are UTF-8 (RFC 6532)."""
    wanted = name.lower().encode()
    found = [line.partition(b":")[2].replace(b"\r\n", b"").strip() for one, line in fields if one == wanted]
    return [value.decode("utf-8", "replace") for value in found]


def _addresses(fields: Fields, name: str) -> list[Address]:
    try:
        found = [one for value in _values(fields, name) for one in _mailboxes(name, value)]
    except (MessageError, ValueError, IndexError, AttributeError):
        raise bad_request(f"Invalid {name} header") from None
    if any(_ADDRESS.fullmatch(one.addr_spec) is None for one in found):
        raise bad_request(f"Invalid {name} header")
    return found


@lru_cache(4096)
def _mailboxes(name: str, value: str) -> tuple[Address, ...]:
    field: Any = email.policy.SMTPUTF8.header_factory(name, value)
    return tuple(field.addresses)


def _recipients(fields: Fields) -> tuple[str, ...]:
    found = [one.addr_spec for name in ("To", "Cc", "Bcc") for one in _addresses(fields, name)]
    unique = tuple(dict.fromkeys(found))
    if not unique:
        raise bad_request("Recipient address required")
    if len(unique) > MAX_RECIPIENTS:
        raise bad_request(f"Too many recipients: {len(unique)}, at most {MAX_RECIPIENTS} by the API")
    return unique


def _sender(fields: Fields, senders: Senders) -> tuple[str, Fields]:
    """The effective From address, and all fields with the From field that goes with it."""
    given = _addresses(fields, "From")
    if len(given) > 1 or len(_values(fields, "From")) > 1:
        raise bad_request("Invalid From header")
    if given and senders.allows(given[0].addr_spec):
        return given[0].addr_spec, fields
    shown = given[0].display_name if given else senders.name
    mailbox: Any = email.policy.SMTP.header_factory("From", str(Address(shown, addr_spec=senders.primary)))
    line = mailbox.fold(policy=email.policy.SMTP).encode()
    return senders.primary, [(b"from", line), *(one for one in fields if one[0] != b"from")]


@lru_cache(4096)
def _same(address: str) -> str:
    """An address for comparison, with its domain in A-labels."""
    local, at, domain = address.lower().rpartition("@")
    try:
        return f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        return address.lower()
