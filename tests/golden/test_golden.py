"""Accepted once, accepted for ever: the events of earlier versions and the published documents."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from consumer.events import parse
from consumer.schema import asyncapi, event_schema

HERE = Path(__file__).parent
EVENTS = sorted((HERE / "events").glob("*.json"), key=lambda path: path.stem)


def load(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_accepted_once_is_still_read_the_same(path):
    golden = load(path)
    event = parse(json.dumps(golden["event"]).encode(), {}, max_bytes=1_000_000)
    assert event.to_dict() == golden["read"]


@pytest.mark.parametrize("path", EVENTS, ids=lambda path: path.stem)
def test_an_event_accepted_once_still_fits_the_published_schema(path):
    Draft202012Validator(event_schema()).validate(load(path)["event"])


def test_no_golden_event_was_taken_away():
    assert len(EVENTS) >= 18


def test_the_schema_is_the_published_one():
    assert event_schema() == load(HERE / "event.schema.json"), (
        "the contract changed; if that is wanted: mailroom schema event > tests/golden/event.schema.json"
    )


def test_the_asyncapi_document_is_the_published_one():
    assert asyncapi(32, "0.0.0") == load(HERE / "asyncapi.json"), (
        "the contract changed; if that is wanted: mailroom schema asyncapi > tests/golden/asyncapi.json, version 0.0.0"
    )
