"""The event contract: what is accepted, what is refused, and how a refusal reads."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from email_validator import validate_email
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from consumer.events import Event, InvalidEvent, parse
from consumer.events_fields import _PLAIN_ADDRESS, _PLAIN_LENGTH
from tests.malformed import INJECTION, full_event, malformed, put

MAX_BYTES = 1_000_000


def read(event: Any, headers: dict[str, object] | None = None):
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return parse(body, headers or {}, max_bytes=MAX_BYTES)


def refused(event: Any, headers: dict[str, object] | None = None) -> tuple[str, str]:
    with pytest.raises(InvalidEvent) as caught:
        read(event, headers)
    assert caught.value.__context__ is None, "the library's error repeats the input and must not be carried along"
    return caught.value.path, caught.value.problem


def minimal() -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/p",
        "type": "notification.task.created.v1",
        "organizationid": "acme",
        "data": {"to": [{"address": "jo@example.org"}], "subject": "s", "text": "t"},
    }


def test_the_full_event_arrives_with_every_value():
    event = read(full_event(), {"organizationid": "acme"})
    data = event.data
    assert (event.id, event.source, event.organization_id, event.category) == (
        "event-0",
        "/platform/tests",
        "acme",
        "task",
    )
    assert event.time == datetime(2026, 11, 21, 8, tzinfo=UTC)
    assert event.expiry == datetime(2998, 12, 31, 23, tzinfo=UTC)
    assert event.traceparent is not None
    assert [(each.address, each.name) for each in data.cc] == [("ann@example.org", "Ann Ångström")]
    assert (data.attachments[0].content, data.attachments[0].cid) == (b"hello", "logo")
    assert data.thread is not None
    assert data.thread.references == ("<a@example.org>",)
    assert data.list_unsubscribe == ("https://example.org/u?x=1",)


def test_an_event_survives_its_own_wire_form():
    event = read(full_event())
    assert read(event.to_dict()) == event


def test_a_minimal_event_gets_the_defaults():
    data = read(minimal()).data
    assert (data.cc, data.priority, data.on_unknown, data.html, data.thread) == ((), "normal", None, None, None)


@pytest.mark.parametrize(
    "name", ["cc", "bcc", "reply_to", "attachments", "thread", "priority", "on_unknown", "locale", "html"]
)
def test_null_means_not_given(name):
    given_null = put(minimal(), ("data", name), None)
    assert read(given_null) == read(minimal())


def test_one_reply_address_and_one_unsubscribe_uri_need_no_brackets():
    event = put(minimal(), ("data", "reply_to"), {"address": "r@example.org"})
    event = put(event, ("data", "list_unsubscribe"), "mailto:leave@example.org")
    data = read(event).data
    assert (data.reply_to[0].address, data.list_unsubscribe) == ("r@example.org", ("mailto:leave@example.org",))


def test_events_are_frozen_and_show_no_content():
    event = read(full_event())
    with pytest.raises(ValueError, match="frozen"):
        event.id = "2"
    for value in (event, event.data, event.data.to[0], event.data.attachments[0]):
        assert "jo@" not in f"{value!r}{value}"
        assert "task" not in f"{value!r}{value}"


@pytest.mark.parametrize(
    ("category", "counts_as"), [("rights_request", "rights_request"), ("birthday", "other"), ("other", "other")]
)
def test_categories_are_a_closed_set(category, counts_as):
    assert read(put(minimal(), ("type",), f"notification.{category}.x.v1")).category == counts_as


def test_extension_attributes_are_ignored_and_need_their_form():
    assert read({**minimal(), "tracestate": "x", "priority": 1, "sampled": True, "subject": "s"}) == read(minimal())
    assert refused({**minimal(), "organization_id": "x"})[0] == "organization_id"
    assert refused({**minimal(), "nested": {}})[0] == "nested"


@pytest.mark.parametrize(
    ("place", "value", "path", "says"),
    [
        (("data", "replyto"), "x", "data.replyto", "not a field"),
        (("data", "to", 0, "mail"), "x", "data.to[0].mail", "not a field"),
        (("data", "jo@example.org"), "x", "data.?", "not a field"),
        (("data", "to", 0, "address"), "jo@", "data.to[0].address", "e-mail"),
        (("data", "to"), "jo@example.org", "data.to", "array"),
        (("data", "to"), [], "data.to", "recipient"),
        (("data", "to"), [{"address": "a@example.org"}] * 1001, "data.to", "1000"),
        (("data", "cc"), [{"address": "a@example.org"}] * 1000, "data.to", "1000"),
        (("data", "subject"), 7, "data.subject", "string"),
        (("data", "subject"), "", "data.subject", "empty"),
        (("data", "subject"), "x" * 999, "data.subject", "998"),
        (("data", "subject"), f"s\r\n{INJECTION}: 1", "data.subject", "line break"),
        (("data", "subject"), "half \ud800", "data.subject", "surrogate"),
        (("data", "text"), None, "data.text", "one of them"),
        (("data", "text"), "a\x00b", "data.text", "U+0000"),
        (("data", "priority"), "urgent", "data.priority", "'high' or 'normal'"),
        (("data", "list_unsubscribe"), "http://x.org", "data.list_unsubscribe[0]", "https:"),
        (("data", "list_unsubscribe"), "https://x.org/>,<https://y", "data.list_unsubscribe[0]", "https:"),
        (("data", "thread"), {"id": "x", "references": ["no"]}, "data.thread.references[0]", "angle"),
        (("data", "thread"), {"id": ""}, "data.thread.id", "empty"),
        (("data", "locale"), "en_GB", "data.locale", "language"),
        (("time",), "2026-11-22T09:00:00", "time", "offset"),
        (("time",), "2026-02-30T08:00:00Z", "time", "exists"),
        (("time",), "0001-01-01T00:00:00+23:59", "time", "exists"),
        (("time",), "1969-12-31T23:59:59Z", "time", "1970"),
        (("expirytime",), 5, "expirytime", "RFC 3339"),
        (("type",), "notification.task.created.v2", "type", "version"),
        (("type",), "notification.task.created", "type", "must read"),
        (("organizationid",), "a b", "organizationid", "letters"),
        (("organizationid",), "", "organizationid", "empty"),
        (("id",), "é" * 128, "id", "255 bytes"),
        (("id",), "a\tb", "id", "control"),
        (("specversion",), "0.3", "specversion", "1.0"),
        (("datacontenttype",), "text/plain", "datacontenttype", "application/json"),
        (("data",), None, "data", "object"),
    ],
)
def test_a_wrong_field_is_refused_with_its_path(place, value, path, says):
    where, problem = refused(put(minimal(), place, value))
    assert where == path
    assert says in problem
    if isinstance(value, str) and len(value) > 2:
        assert value not in problem


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "organizationid", "data"])
def test_every_required_attribute_is_missed_by_name(name):
    event = minimal()
    del event[name]
    assert refused(event) == (name, "is missing")


ATTACHMENT = {"name": "a.pdf", "type": "application/pdf", "content": "aGk="}


@pytest.mark.parametrize(
    ("attachment", "path"),
    [
        ({**ATTACHMENT, "content": "aGk"}, "data.attachments[0].content"),
        ({**ATTACHMENT, "content": "aG\nk="}, "data.attachments[0].content"),
        ({**ATTACHMENT, "content": "_-8="}, "data.attachments[0].content"),
        ({**ATTACHMENT, "name": "../x"}, "data.attachments[0].name"),
        ({**ATTACHMENT, "name": f'x"\r\n{INJECTION}: 1'}, "data.attachments[0].name"),
        ({**ATTACHMENT, "type": "message/rfc822"}, "data.attachments[0].type"),
        ({**ATTACHMENT, "type": "Multipart/Mixed"}, "data.attachments[0].type"),
        ({**ATTACHMENT, "type": "application"}, "data.attachments[0].type"),
        ({**ATTACHMENT, "type": f"a/b; x=y\r\n{INJECTION}: 1"}, "data.attachments[0].type"),
        ({**ATTACHMENT, "cid": "<x>"}, "data.attachments[0].cid"),
        ({**ATTACHMENT, "cid": "x"}, "data.attachments[0].cid"),
    ],
)
def test_a_wrong_attachment_is_refused_with_its_path(attachment, path):
    assert refused(put(minimal(), ("data", "attachments"), [attachment]))[0] == path


def test_a_content_id_is_used_once():
    event = put(full_event(), ("data", "attachments"), full_event()["data"]["attachments"] * 2)
    assert refused(event) == ("data.attachments[1].cid", "is used twice")


@pytest.mark.parametrize("media", ["text/calendar; method=REQUEST; charset=utf-8", 'text/csv;charset="utf-8"'])
def test_media_types_may_have_parameters(media):
    assert (
        read(put(minimal(), ("data", "attachments"), [{**ATTACHMENT, "type": media}])).data.attachments[0].type == media
    )


def test_tabs_become_spaces_in_lines_of_text():
    event = put(minimal(), ("data", "subject"), "a\tb")
    event = put(event, ("data", "to", 0, "name"), "Jo\tDoe")
    assert (read(event).data.subject, read(event).data.to[0].name) == ("a b", "Jo Doe")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("jo@example.org", "jo@example.org"),
        ("jo@EXAMPLE.org", "jo@example.org"),
        ("jö@exämple.org", "jö@exämple.org"),
        ("jo@xn--exmple-cua.org", "jo@exämple.org"),
        ("jo@intranet", "jo@intranet"),
        ("jo@printer.local", "jo@printer.local"),
        ("o'hara+tag@example.co.uk", "o'hara+tag@example.co.uk"),
    ],
)
def test_addresses_of_many_kinds_are_accepted(written, kept):
    assert read(put(minimal(), ("data", "to", 0, "address"), written)).data.to[0].address == kept


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.text("aZ09_+-.", min_size=1, max_size=12),
    st.text("abx09-.", min_size=1, max_size=20),
    st.text("orgn", max_size=4),
)
def test_the_short_way_accepts_only_what_the_full_check_keeps_as_it_is(local, domain, last):
    address = f"{local}@{domain}.{last}"
    assume(len(address) <= _PLAIN_LENGTH and _PLAIN_ADDRESS.fullmatch(address))
    full = validate_email(address, check_deliverability=False, globally_deliverable=False)
    assert full.normalized == address


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-21T08:00:00+01:00", datetime(2026, 11, 21, 7, tzinfo=UTC)),
        ("2026-11-21t08:00:00.123456789z", datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2026-12-31T23:59:60Z", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("2026-11-21 08:00:00-00:00", datetime(2026, 11, 21, 8, tzinfo=UTC)),
    ],
)
def test_times_are_rfc_3339_and_become_utc(text, moment):
    assert read({**minimal(), "time": text}).time == moment


def test_a_malformed_traceparent_is_ignored():
    assert read({**minimal(), "traceparent": "junk"}).traceparent is None


@pytest.mark.parametrize("header", ["acme", b"acme", None])
def test_the_organization_header_may_agree_or_be_absent(header):
    assert read(minimal(), {"organizationid": header}).organization_id == "acme"


@pytest.mark.parametrize("header", ["other", "", 7, True, b"\xff", ["acme"], "ACME"])
def test_the_organization_header_must_not_differ(header):
    assert refused(minimal(), {"organizationid": header})[0] == "organizationid"


@pytest.mark.parametrize(
    ("body", "path", "says"),
    [
        (b"", "", "not JSON"),
        (b"{]", "", "line 1, column 2"),
        (b"[]", "", "object"),
        (b"null", "", "object"),
        (b"\xff", "", "UTF-8"),
        (b"\xef\xbb\xbf{}", "", "byte order mark"),
        (json.dumps(minimal()).encode("utf-16"), "", "UTF-8"),
        (b"[" * 200_000, "", "deep"),
        (b'{"a":' * 200_000, "", "deep"),
        (b'{"a":' + b"1" * 100_000 + b"}", "a", "extension"),
        (b'{"a":NaN}', "a", "extension"),
        (b'{"a":1e999}', "a", "extension"),
        (b'{"id":"1","id":"2"}', "id", "more than once"),
        (b'{"data":{"to":[{"address":"a","address":"b"}]}}', "data.to[0].address", "more than once"),
        (b'{"\\ud800":1}', "?", "surrogate"),
        (b"x" * (MAX_BYTES + 1), "", "bytes"),
        (
            b'{"data":' + b'{"abcdefgh":' * 400 + b'{"a":1,"a":2}' + b"}" * 401,
            "data" + ".abcdefgh" * 21 + ".abcdef…",
            "more",
        ),
    ],
)
def test_what_is_no_json_object_is_refused(body, path, says):
    where, problem = refused(body)
    assert where == path
    assert says in problem


def test_a_pair_of_surrogate_escapes_is_a_character():
    body = json.dumps(put(minimal(), ("data", "subject"), "🎉")).encode()
    assert b"\\ud83c" in body
    assert read(body).data.subject == "🎉"


def test_malformed_events_are_events_or_invalid_and_nothing_else():
    events: list[Event] = []
    errors: list[InvalidEvent] = []
    for message in malformed(4_000, seed=7):
        try:
            events.append(parse(message.body, message.headers, max_bytes=MAX_BYTES))
        except InvalidEvent as error:
            errors.append(error)
    assert len(errors) > 2_000
    assert len(events) > 50, "the odd but correct ones belong to the test"
    for invalid in errors:
        assert INJECTION not in invalid.problem
        assert "jo@" not in f"{invalid}"
        assert f"{invalid}".isprintable()
    breaks = {"\r", "\n", "\t", "\x00", "\x0b", "\x0c", "\x85", "\u2028", "\u2029"}
    for event in events:
        assert not any(set(line) & breaks for line in header_texts(event))


def header_texts(event: Event) -> list[str]:
    """Everything of an event that a header field or a protocol line could be made of."""
    data = event.data
    texts = [event.id, event.source, event.type, data.subject, data.locale or "", data.workspace_id or ""]
    for each in data.to + data.cc + data.bcc + data.reply_to:
        texts += [each.address, each.name or ""]
    for file in data.attachments:
        texts += [file.name, file.type, file.cid or ""]
    if data.thread:
        texts += [data.thread.id, data.thread.in_reply_to or "", *data.thread.references]
    return [*texts, *data.list_unsubscribe]


def test_malformed_events_are_the_same_for_the_same_seed():
    assert list(malformed(200, seed=3)) == list(malformed(200, seed=3))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_invalid(body):
    with pytest.raises(InvalidEvent):
        read(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    place=st.sampled_from(
        [("data",), ("id",), ("time",), ("data", "to"), ("data", "subject"), ("data", "attachments")]
    ),
    value=JSON,
)
def test_any_value_in_any_place_is_an_event_or_invalid(place, value):
    error = None
    try:
        read(put(full_event(), place, value))
    except InvalidEvent as caught:
        error = caught
    assert error is None or error.path
