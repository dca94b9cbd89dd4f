"""Compares what became of one sample event with what was expected. Pure; nothing is fetched here."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from consumer import names
from deploy.local.demo_broker import Letter
from deploy.local.demo_parts import DeadLetter, Sample
from deploy.local.demo_reading import File, Mailboxes, Reading, read
from deploy.local.sandbox_mail import Refused, Taken

EVENT_FIELD = "x-mailroom-event"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. ``problems`` is empty when everything is as expected."""

    sample: Sample
    expected: str
    happened: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was taken, and what a reader sees of it."""

    taken: Taken
    reading: Reading

    @property
    def event_id(self) -> str:
        """The event it says it was made from."""
        return self.reading.fields.get(EVENT_FIELD, "")


def mails_of(taken: Sequence[Taken]) -> tuple[Mail, ...]:
    """The mails, read."""
    return tuple(Mail(one, read(one.envelope.content)) for one in taken)


def judge(
    sample: Sample,
    mails: Sequence[Mail],
    refused: Sequence[Refused],
    letters: Sequence[Letter],
    published: bytes,
) -> Row:
    """The row of one event. ``mails``, ``refused`` and ``letters`` are all there were, ``published`` its bytes."""
    mine = [mail for mail in mails if mail.event_id == sample.id]
    addresses = {normal(one["address"]) for one in _people(sample)}
    refusals = [
        one
        for one in refused
        if one.server == sample.organization.server and {normal(each) for each in one.recipients} <= addresses
    ]
    dead = [letter for letter in letters if letter.event_id == sample.id]
    problems = [
        *_deliveries(sample, mine),
        *(problem for mail in mine for problem in _mail(sample, mail)),
        *_refusals(sample, mine, refusals),
        *_dead(sample.dead, dead, published),
    ]
    return Row(sample, _expected(sample), tuple(_happened(mine, refusals, dead)), tuple(dict.fromkeys(problems)))


def normal(address: str) -> str:
    """An address with its domain in A-labels, for comparison."""
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


def _people(sample: Sample) -> list[dict[str, str]]:
    data = sample.event["data"]
    return [*data.get("to", ()), *data.get("cc", ()), *data.get("bcc", ())]


def _expected(sample: Sample) -> str:
    count = len(sample.mails)
    parts = [f"{count} mail{'s' if count > 1 else ''} by {sample.organization.server}"] if count else []
    if sample.retries:
        parts.append("after being put off once")
    if sample.parks:
        parts.append("after its account is connected again")
    if sample.dead is not None:
        parts.append(f"dead letter {sample.dead.reason}")
    return ", ".join(parts)


def _happened(mails: Sequence[Mail], refused: Sequence[Refused], dead: Sequence[Letter]) -> Iterator[str]:
    for one in refused:
        yield f"{one.server} said {one.reply[:9]} to {', '.join(one.recipients)}"
    for mail in mails:
        envelope = mail.taken.envelope
        yield f"{mail.taken.server}, {envelope.tls if envelope.cipher else envelope.mechanism}, as {envelope.user}"
        yield f"  to {', '.join(envelope.recipients)}"
        yield "  From: " + "; ".join(f"{name} <{address}>" for name, address in mail.reading.mailboxes("from"))
    for letter in dead:
        where = {names.H_DETAIL: "", names.H_FIELD: "field ", names.H_OWED: "recipient #"}
        more = [f"{word}{letter.headers[name]}" for name, word in where.items() if name in letter.headers]
        yield f"dead letter: {letter.headers.get(names.H_REASON)} ({', '.join(more) or 'all recipients'})"
    if not mails and not dead:
        yield "nothing arrived"


def _deliveries(sample: Sample, mails: Sequence[Mail]) -> Iterator[str]:
    """Each mail once, to the right people, by the organisation's server and account (R5, R6)."""
    got = [tuple(normal(each) for each in mail.taken.envelope.recipients) for mail in mails]
    wanted = [tuple(normal(each) for each in one) for one in sample.mails]
    if got != wanted:
        yield f"mails went to {got}, expected {wanted}"
    organization = sample.organization
    for mail in mails:
        envelope = mail.taken.envelope
        found = (mail.taken.server, envelope.user, envelope.sender)
        if found != (organization.server, organization.username, organization.address):
            yield f"left by {found}, which is not {organization.id}'s server, account and sender"
        if not envelope.tls.startswith("TLS"):
            yield "came without TLS"
    if len({mail.reading.fields.get("message-id") for mail in mails}) > 1:
        yield "the Message-ID changed over the retry"


def _mail(sample: Sample, mail: Mail) -> Iterator[str]:
    """What a reader sees is what the event said, and the sender is the organisation's (R9)."""
    data: Mapping[str, Any] = sample.event["data"]
    reading, organization = mail.reading, sample.organization
    pairs: list[tuple[str, object, object]] = [
        ("From", reading.mailboxes("from"), ((organization.alias, organization.address),)),
        ("Subject", reading.words("subject"), data["subject"]),
        ("text", _line_end(reading.text), _line_end(data.get("text"))),
        ("HTML", _line_end(reading.html), _line_end(data.get("html"))),
        ("attachments", reading.files, _files(data.get("attachments", ()))),
        ("Auto-Submitted", reading.fields.get("auto-submitted"), "auto-generated"),
        ("Date", _date(reading.fields.get("date", "")), _seconds(sample.event["time"])),
    ]
    pairs += [(name, _normal(reading.mailboxes(name)), _boxes(data.get(key, ()))) for name, key in _ADDRESSES.items()]
    pairs += [(name, reading.fields.get(name.lower()), value) for name, value in sample.fields.items()]
    for name, found, wanted in pairs:
        if found != wanted:
            yield f"{name} is {_short(found)}, expected {_short(wanted)}"
    head = mail.taken.envelope.content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
    hidden = [one["address"] for one in data.get("bcc", ()) if one["address"] in head]
    if hidden or "bcc" in reading.fields:
        yield "a blind copy's recipient is named in the mail"
    identifier = reading.fields.get("message-id", "")
    # Gmail puts one of its own in the place of every other.
    domain = "mail.gmail.com" if organization.provider == "google" else organization.address.partition("@")[2]
    if not re.fullmatch(rf"<[^@>]+@{re.escape(domain)}>", identifier):
        yield f"the Message-ID {identifier} is not of {domain}"


def _refusals(sample: Sample, mails: Sequence[Mail], refused: Sequence[Refused]) -> Iterator[str]:
    replies = [one.reply for one in refused]
    if [reply[: len(start)] for reply, start in zip(replies, sample.refusals, strict=False)] != list(
        sample.refusals
    ) or len(replies) != len(sample.refusals):
        yield f"the server refused {replies}, expected {list(sample.refusals)}"
    for one in refused:
        if one.content and any(mail.taken.envelope.content != one.content for mail in mails):
            yield "the second attempt was not the same mail, byte for byte"


def _dead(wanted: DeadLetter | None, letters: Sequence[Letter], published: bytes) -> Iterator[str]:
    if len(letters) != (wanted is not None):
        yield f"{len(letters)} dead letters, expected {int(wanted is not None)}"
    if wanted is None or not letters:
        return
    headers, body = letters[0].headers, letters[0].body
    values = {names.H_REASON: wanted.reason, names.H_FIELD: wanted.field, names.H_OWED: wanted.owed}
    for name, value in values.items():
        if headers.get(name, "") != value:
            yield f"{name} is {headers.get(name)!r}, expected {value!r}"
    if wanted.detail and not str(headers.get(names.H_DETAIL, "")).startswith(wanted.detail):
        yield f"{names.H_DETAIL} is {headers.get(names.H_DETAIL)!r}, expected {wanted.detail!r}"
    if names.H_DEAD_AT not in headers:
        yield f"{names.H_DEAD_AT} is missing"
    if any("@" in str(value) for value in headers.values()):
        yield "a header of the dead letter holds an address"
    if body != published:
        yield "the dead letter's bytes are not those that were published"


_ADDRESSES = {"to": "to", "cc": "cc", "reply-to": "reply_to"}


def _normal(boxes: Mailboxes) -> Mailboxes:
    return tuple((name, normal(address)) for name, address in boxes)


def _boxes(people: Sequence[Mapping[str, str]]) -> Mailboxes:
    return tuple((one.get("name", ""), normal(one["address"])) for one in people)


def _files(attachments: Sequence[Mapping[str, str]]) -> tuple[File, ...]:
    found = [
        File(one["name"], one["type"], base64.b64decode(one["content"]), one.get("cid", "")) for one in attachments
    ]
    return tuple(sorted(found, key=lambda file: file.cid == ""))


def _line_end(text: str | None) -> str | None:
    return None if text is None else text.rstrip("\n")


def _date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except ValueError:
        return None


def _seconds(moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(microsecond=0)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
