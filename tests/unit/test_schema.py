"""The JSON Schema and the AsyncAPI document agree with what the parser does."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from consumer import names
from consumer.events import InvalidEvent, parse
from consumer.schema import asyncapi, event_schema
from tests.malformed import full_event, malformed, put

VALIDATOR = Draft202012Validator(event_schema())


def fits(event: Any) -> bool:
    return VALIDATOR.is_valid(event)


def test_the_schema_is_a_schema():
    Draft202012Validator.check_schema(event_schema())


def test_a_full_event_fits():
    VALIDATOR.validate(full_event())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("data", "replyto"), "x"),
        (("data", "to", 0, "mail"), "x"),
        (("data", "subject"), "a\nb"),
        (("data", "subject"), "x" * 999),
        (("data", "to", 0, "name"), "a\rb"),
        (("data", "to"), "jo@example.org"),
        (("data", "list_unsubscribe"), "http://example.org"),
        (("data", "list_unsubscribe"), ["https://example.org"] * 5),
        (("data", "attachments"), [{"name": "a/b", "type": "a/b", "content": ""}]),
        (("data", "thread", "references"), ["x"]),
        (("data", "priority"), "urgent"),
        (("organizationid",), "a b"),
        (("type",), "notification.task.created.v2"),
        (("specversion",), "0.3"),
        (("organization_id",), "acme"),
        (("nested",), {}),
    ],
)
def test_what_the_parser_refuses_by_form_does_not_fit(place, value):
    event = put(full_event(), place, value)
    with pytest.raises(InvalidEvent):
        parse(json.dumps(event).encode(), {}, max_bytes=1_000_000)
    assert not fits(event)


def test_whatever_the_parser_accepts_fits():
    """The schema may be looser than the parser, never stricter: code generated from it must be able to say it all."""
    accepted = 0
    for message in malformed(3_000, seed=11):
        try:
            parse(message.body, {}, max_bytes=1_000_000)
        except InvalidEvent:
            continue
        accepted += 1
        VALIDATOR.validate(json.loads(message.body))
    assert accepted > 50


def test_neither_text_nor_html_does_not_fit():
    event = full_event()
    del event["data"]["text"], event["data"]["html"]
    assert not fits(event)


def test_no_recipient_field_does_not_fit():
    event = full_event()
    for name in ("to", "cc", "bcc"):
        del event["data"][name]
    assert not fits(event)


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [each for inner in value.values() for each in references(inner)]
    return [each for inner in value for each in references(inner)] if isinstance(value, list) else []


def test_the_asyncapi_document_is_whole():
    """Its form was compared with the official AsyncAPI 3.0.0 schema; here: every reference leads somewhere."""
    document = asyncapi(32, "1.2.3")
    payload = document["components"]["messages"]["notification"]["payload"]
    assert payload["schema"] == event_schema()
    payload["schema"] = {}
    found = references(document)
    assert len(found) == 6
    for reference in found:
        target: Any = document
        for step in reference.removeprefix("#/").split("/"):
            target = target[step]
    assert document["info"]["version"] == "1.2.3"
    assert {operation["action"] for operation in document["operations"].values()} == {"receive", "send"}


def test_the_asyncapi_document_says_how_to_publish():
    document = asyncapi(7, "1")
    exchange = document["channels"]["notifications"]["bindings"]["amqp"]["exchange"]
    assert (exchange["name"], exchange["type"], exchange["durable"]) == (names.NOTIFICATIONS, "topic", True)
    message = document["components"]["messages"]["notification"]
    assert message["contentType"] == "application/cloudevents+json"
    assert set(message["headers"]["properties"]) == {"organizationid", "mailroom-partition"}
    assert "7 partitions" in message["headers"]["properties"]["mailroom-partition"]["description"]
    assert document["operations"]["receiveNotification"]["bindings"]["amqp"]["deliveryMode"] == 2
