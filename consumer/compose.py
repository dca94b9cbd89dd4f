"""From an event to the mail that a transport sends. Pure: the same event, sender and first-seen time, the same mail.

What an event may contain is checked before (``consumer.events``); how a mail becomes bytes is ``transports.mime``.
"""

from datetime import datetime, timedelta
from hashlib import blake2b

from consumer.events import Address, Data, Event, Thread
from transports.message import Attachment, Mail, Mailbox
from transports.mime_addresses import wire_address

TRACE_HEADER = "X-Mailroom-Event"
"""Carries the event's id, by which an administrator finds the mail in the provider's own logs."""

_OLDEST = timedelta(days=7)
_SKEW = timedelta(minutes=10)
_MAX_REFERENCES = 30

_MACHINE_MADE = (
    ("Auto-Submitted", "auto-generated"),  # RFC 3834 §5
    ("X-Auto-Response-Suppress", "All"),  # for Exchange, where Auto-Submitted may be stripped
)


def compose(event: Event, sender: Mailbox, *, owed: tuple[int, ...] | None, first_seen: datetime) -> Mail:
    """The mail of an event, from ``sender``, to the recipients at the positions ``owed`` (None: to all).

    Message-ID and Date stay the same over retries and replays, so that a receiver can tell a second copy.

    Raises:
        MessageRefused: the sender is no address (code ``message_refused``).
    """
    data = event.data
    domain = wire_address(sender.address).rpartition("@")[2]
    in_reply_to, references = _conversation(event.organization_id, data.thread, domain)
    return Mail(
        message_id=f"<{_digest('message', event.organization_id, event.source, event.id)}@{domain}>",
        date=_date(event.time, first_seen),
        sender=sender,
        to=_mailboxes(data.to),
        cc=_mailboxes(data.cc),
        bcc=_mailboxes(data.bcc),
        reply_to=_mailboxes(data.reply_to),
        subject=data.subject,
        text=data.text or None,
        html=data.html or None,
        attachments=tuple([Attachment(each.name, each.type, each.content, each.cid) for each in data.attachments]),
        in_reply_to=in_reply_to,
        references=references,
        headers=_headers(event, data),
        owed=_owed(owed, len(data.to) + len(data.cc) + len(data.bcc)),
    )


def _mailboxes(addresses: tuple[Address, ...]) -> tuple[Mailbox, ...]:
    return tuple([Mailbox(each.address, each.name or "") for each in addresses])


def _owed(positions: tuple[int, ...] | None, everyone: int) -> tuple[int, ...]:
    # positions that cannot be of this event count as absent, like any header of ours that makes no sense
    if positions is None or not all(0 <= position < everyone for position in positions):
        return tuple(range(everyone))
    return positions


def _digest(kind: str, *parts: str) -> str:
    # the person keeps kinds apart, the lengths keep ("a", "bc") and ("ab", "c") apart
    digest = blake2b(digest_size=16, person=kind.encode())
    for part in parts:
        data = part.encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return digest.hexdigest()


def _date(happened: datetime | None, first_seen: datetime) -> datetime:
    """When it happened, unless that is so far off that spam filters would take offence; then when it was first seen."""
    if happened is None or not first_seen - _OLDEST <= happened <= first_seen + _SKEW:
        return first_seen
    return happened


def _conversation(organization: str, thread: Thread | None, domain: str) -> tuple[str | None, tuple[str, ...]]:
    """In-Reply-To and References.

    Every mail of a thread refers to the same synthetic root, because the identifiers under which a provider really
    sent the earlier ones are not known (Gmail and Graph may replace them). A long chain loses its oldest.
    """
    if thread is None:
        return None, ()
    root = f"<{_digest('thread', organization, thread.id)}@{domain}>"
    known = dict.fromkeys(thread.references)
    if thread.in_reply_to is not None:
        known.pop(thread.in_reply_to, None)
        known[thread.in_reply_to] = None  # the parent comes last (RFC 5322 §3.6.4)
    known.pop(root, None)
    return thread.in_reply_to or root, (root, *list(known)[-_MAX_REFERENCES:])


def _headers(event: Event, data: Data) -> tuple[tuple[str, str], ...]:
    headers = list(_MACHINE_MADE)
    if data.list_unsubscribe:
        headers += _unsubscribe(data.list_unsubscribe)
    if data.locale is not None:
        headers.append(("Content-Language", data.locale))
    if event.id.isascii() and event.id.isprintable() and " " not in event.id:
        headers.append((TRACE_HEADER, event.id))
    return tuple(headers)


def _unsubscribe(uris: tuple[str, ...]) -> list[tuple[str, str]]:
    """List-Unsubscribe (RFC 2369); one-click (RFC 8058 §3.1) asks for exactly one https URI, so the first one stays."""
    web = [uri for uri in uris if uri.startswith("https:")][:1]
    mail = [uri for uri in uris if not uri.startswith("https:")]
    headers = [("List-Unsubscribe", ", ".join([f"<{uri}>" for uri in (*web, *mail)]))]
    if web:
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return headers
