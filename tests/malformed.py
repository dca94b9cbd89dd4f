"""Thousands of broken events, the same ones for the same seed; a few are odd but correct.

For unit tests of the parser and for the acceptance test that every one of them becomes a dead letter or a correct mail.
"""

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from consumer.names import H_ORGANIZATION

ORGANIZATION = "acme"
INJECTION = "X-Injected"
"""The field name that every attempted header injection uses; it must not be in any mail as a header field."""

_CONTROLS = [
    "\r\n",
    "\n",
    "\r",
    "\x00",
    "\x0b",
    "\x0c",
    "\x1b",
    "\x7f",
    "\x85",
    "\u2028",
    "\u2029",
    "\t",
    "\x08",
    "\r\n ",
]
_WRONG: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    10**18,
    "",
    " ",
    "x",
    "\n",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"a": 1},
    ["x"],
    [1],
    "a" * 5000,
    "\ud800",
]
_ADDRESSES = [
    "",
    "@",
    "jo",
    "jo@",
    "@example.org",
    "jo@@example.org",
    "jo@example..org",
    "jo example@example.org",
    "jo@exa mple.org",
    "jo@-example.org",
    "jo@example-.org",
    ".jo@example.org",
    "jo.@example.org",
    "jo..jo@example.org",
    "<jo@example.org>",
    "Jo <jo@example.org>",
    "jo@example.org>",
    "jo@example.org,ann@example.org",
    "jo@example.org;ann@example.org",
    "jo@[127.0.0.1]",
    "jo@[IPv6:::1]",
    '"jo jo"@example.org',
    "jo@example.org\r\nBcc: x@example.org",
    "jo\r\n@example.org",
    "jo@example.org\x00",
    "a" * 65 + "@example.org",
    "jo@" + "a" * 64 + ".org",
    "jo@" + "a." * 130 + "org",
    "jo@xn--a.org",
    "jo@exa_mple.org",
    "jo@example.org.",
    "jo(comment)@example.org",
    "\ud83djo@example.org",
    "jo@\u200b.org",
    "jo@\uff11.org",
    "jö@exämple.org",
    "jo@例え.テスト",
    "jo@localhost",
    "-oQ/x@example.org",
    "jo@example.org -X",
    "jo@\u202eexample.org",
]
# Every place of text that could end up in a header field or a protocol line.
_TEXTS: list[tuple[str | int, ...]] = [
    ("id",),
    ("source",),
    ("type",),
    ("organizationid",),
    ("traceparent",),
    ("time",),
    ("expirytime",),
    ("specversion",),
    ("datacontenttype",),
    ("data", "subject"),
    ("data", "to", 0, "name"),
    ("data", "to", 0, "address"),
    ("data", "cc", 0, "name"),
    ("data", "cc", 0, "address"),
    ("data", "bcc", 0, "address"),
    ("data", "bcc", 0, "name"),
    ("data", "reply_to", 0, "address"),
    ("data", "reply_to", 0, "name"),
    ("data", "attachments", 0, "name"),
    ("data", "attachments", 0, "type"),
    ("data", "attachments", 0, "cid"),
    ("data", "attachments", 0, "content"),
    ("data", "thread", "id"),
    ("data", "thread", "in_reply_to"),
    ("data", "thread", "references", 0),
    ("data", "list_unsubscribe", 0),
    ("data", "locale"),
    ("data", "workspace_id"),
    ("data", "priority"),
    ("data", "on_unknown"),
    ("data", "text"),
    ("data", "html"),
]
_PLACES = [
    *_TEXTS,
    ("data",),
    ("data", "to"),
    ("data", "to", 0),
    ("data", "cc"),
    ("data", "bcc"),
    ("data", "reply_to"),
    ("data", "attachments"),
    ("data", "attachments", 0),
    ("data", "thread"),
    ("data", "thread", "references"),
    ("data", "list_unsubscribe"),
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Malformed:
    """One message: ``kind`` names how it was made, ``headers`` are its AMQP headers."""

    number: int
    kind: str
    body: bytes
    headers: dict[str, object]


def full_event(number: int = 0) -> dict[str, Any]:
    """A correct event in which every field of the contract is used."""
    return {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": "/platform/tests",
        "type": "notification.task.created.v1",
        "time": "2026-11-21T08:00:00Z",
        "expirytime": "2999-01-01T00:00:00+01:00",
        "organizationid": ORGANIZATION,
        "datacontenttype": "application/json",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "data": {
            "to": [{"address": "jo@example.org", "name": "Jo"}],
            "cc": [{"address": "ann@example.org", "name": "Ann Ångström"}],
            "bcc": [{"address": "audit@example.org", "name": "Audit"}],
            "reply_to": [{"address": "reply@example.org", "name": "Reply"}],
            "subject": "A task was assigned to you",
            "text": "Please look.\n",
            "html": '<p>Please look.</p><img src="cid:logo">',
            "attachments": [{"name": "logo.png", "type": "image/png", "content": "aGVsbG8=", "cid": "logo"}],
            "thread": {"id": "task-7", "in_reply_to": "<a@example.org>", "references": ["<a@example.org>"]},
            "priority": "normal",
            "locale": "en-GB",
            "list_unsubscribe": ["https://example.org/u?x=1"],
            "workspace_id": "w1",
            "on_unknown": "resend",
        },
    }


def malformed(count: int, seed: int = 1) -> Iterator[Malformed]:
    """``count`` messages; all kinds of damage in turn."""
    chance = random.Random(seed)
    for number in range(count):
        damage = _DAMAGES[number % len(_DAMAGES)]
        event = full_event(number)
        made = damage(event, chance)
        headers: dict[str, object] = {H_ORGANIZATION: ORGANIZATION}
        if isinstance(made, tuple):
            body, headers = made
        else:
            body = made
        if isinstance(body, dict):
            body = json.dumps(body, ensure_ascii=chance.random() < 0.5).encode("utf-8", "surrogatepass")
        yield Malformed(number, damage.__name__.strip("_"), body, headers)


def put(event: dict[str, Any], place: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """A copy of ``event`` with another value at a place."""
    changed = copy.deepcopy(event)
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    return changed


def _get(event: dict[str, Any], place: tuple[str | int, ...]) -> str:
    inner: Any = event
    for step in place:
        inner = inner[step]
    return str(inner)


def _not_json(event: dict[str, Any], chance: random.Random) -> bytes:
    body = json.dumps(event).encode()
    ways: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: b"\xef\xbb\xbf" + body,
        lambda: json.dumps(event).encode("utf-16"),
        lambda: json.dumps(event, ensure_ascii=False).encode("latin-1", "replace"),
        lambda: body[: chance.randrange(len(body))],
        lambda: body + b"}",
        lambda: body + b"\n" + body,
        lambda: b"<xml/>",
        lambda: chance.randbytes(chance.randrange(1, 300)),
        lambda: body.replace(b'"', b"'"),
        lambda: body.replace(b"1.0", b"NaN").replace(b'"NaN"', b"NaN"),
        lambda: b"null",
        lambda: b"[" + body + b"]",
        lambda: b'"' + b"x" * 1000 + b'"',
    ]
    return chance.choice(ways)()


def _flipped_byte(event: dict[str, Any], chance: random.Random) -> bytes:
    body = bytearray(json.dumps(event, ensure_ascii=False).encode())
    for _ in range(chance.randrange(1, 4)):
        body[chance.randrange(len(body))] = chance.randrange(256)
    return bytes(body)


def _wrong_type(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return put(event, chance.choice(_PLACES), chance.choice(_WRONG))


def _control_character(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    place = chance.choice(_TEXTS)
    text = _get(event, place)
    at = chance.choice([0, len(text), chance.randrange(len(text) + 1)])
    return put(event, place, f"{text[:at]}{chance.choice(_CONTROLS)}{INJECTION}: 1{text[at:]}")


def _bad_address(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    place = ("data", chance.choice(["to", "cc", "bcc", "reply_to"]), 0, "address")
    return put(event, place, chance.choice(_ADDRESSES))


def _missing(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    place = chance.choice([place for place in _PLACES if isinstance(place[-1], str)])
    changed = copy.deepcopy(event)
    inner: Any = changed
    for step in place[:-1]:
        inner = inner[step]
    del inner[place[-1]]
    return changed


def _unknown_field(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    name = chance.choice(
        ["from", "sender", "replyto", "Subject", "headers", "return_path", "x", "a b", "\n", "é", "jo@x.org", "to "]
    )
    place = chance.choice([(), ("data",), ("data", "to", 0), ("data", "attachments", 0), ("data", "thread")])
    return put(event, (*place, name), chance.choice([1, "x", {INJECTION: "1"}, ["a"]]))


def _deep(event: dict[str, Any], chance: random.Random) -> bytes:
    depth = chance.choice([20, 500, 990, 5000, 100_000])
    opening, closing = chance.choice([(b"[", b"]"), (b'{"a":', b"}")])
    nested = opening * depth + b"1" + closing * depth
    place = chance.choice([b'"subject": ', b'"to": ', b'"specversion": ', b'"x": '])
    body = json.dumps(event).encode()
    return chance.choice(
        [nested, body.replace(place, place + nested + b", " + place + b'"', 1), b'{"data": ' + nested + b"}"]
    )


def _huge(event: dict[str, Any], chance: random.Random) -> dict[str, Any] | bytes:
    ways: list[Callable[[], dict[str, Any] | bytes]] = [
        lambda: put(event, chance.choice(_TEXTS), "x" * 20_000),
        lambda: put(event, ("data", "to"), [{"address": f"u{n}@example.org"} for n in range(1001)]),
        lambda: put(event, ("data", "attachments"), event["data"]["attachments"] * 60),
        lambda: put(event, ("data", "thread", "references"), ["<a@example.org>"] * 300),
        lambda: json.dumps(event).encode().replace(b'"1.0"', b"1" * 10_000),
        lambda: json.dumps(event).encode().replace(b'"1.0"', b"1e999999"),
        lambda: put(event, ("data", "x" * 10_000), 1),
    ]
    return chance.choice(ways)()


def _repeated(event: dict[str, Any], chance: random.Random) -> bytes:
    name = chance.choice(["organizationid", "id", "subject", "address", "to", "data"])
    body = json.dumps(event)
    return body.replace(f'"{name}":', f'"{name}": "other", "{name}":', 1).encode()


def _wrong_header(event: dict[str, Any], chance: random.Random) -> tuple[dict[str, Any], dict[str, object]]:
    value = chance.choice(["other", "", 7, True, None, b"\xff", ["acme"], {"a": "b"}, "ACME", " acme", "acme\n"])
    return event, {H_ORGANIZATION: value, "mailroom-partition": chance.choice([7, "99", "7", None, "aa"])}


def _odd_values(event: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    ways: list[tuple[tuple[str | int, ...], object]] = [
        (("time",), "2026-02-30T08:00:00Z"),
        (("time",), "2026-11-21"),
        (("time",), "0001-01-01T00:00:00+23:59"),
        (("expirytime",), "soon"),
        (("expirytime",), "2026-11-21T08:00:00"),
        (("type",), "notification.task.created.v2"),
        (("type",), "notification..v1"),
        (("type",), "order.created.v1"),
        (("specversion",), "0.3"),
        (("organizationid",), "a b"),
        (("organizationid",), "ä"),
        (("organizationid",), "x" * 129),
        (("id",), "é" * 200),
        (("data", "attachments", 0, "content"), "not base64!"),
        (("data", "attachments", 0, "content"), "aGVsbG8"),
        (("data", "attachments", 0, "name"), "../../etc/passwd"),
        (("data", "attachments", 0, "type"), "text"),
        (("data", "attachments", 0, "type"), "message/rfc822"),
        (("data", "list_unsubscribe", 0), "javascript:alert(1)"),
        (("data", "list_unsubscribe", 0), "http://example.org"),
        (("data", "thread", "in_reply_to"), "a@example.org"),
        (("data", "priority"), "urgent"),
        (("data", "on_unknown"), "drop"),
        (("data", "locale"), "en_GB"),
        (("data", "to"), []),
        (("data", "subject"), ""),
        (("datacontenttype",), "text/plain"),
        (("traceparent",), "junk"),
    ]
    place, value = chance.choice(ways)
    return put(event, place, value)


_DAMAGES: list[Callable[[dict[str, Any], random.Random], Any]] = [
    _not_json,
    _flipped_byte,
    _wrong_type,
    _control_character,
    _bad_address,
    _missing,
    _unknown_field,
    _deep,
    _huge,
    _repeated,
    _wrong_header,
    _odd_values,
]
