"""What becomes of a mail that may have arrived, by the event's word and by its category."""

import json

import pytest

from config.categories import CATEGORIES, HOLD_UNKNOWN, categories
from consumer.events import parse
from consumer.unknown_policy import hold_unknown
from tests.malformed import full_event, put


def event(category, word=None):
    made = put(full_event(), ("type",), f"notification.{category}.created.v1")
    return parse(json.dumps(put(made, ("data", "on_unknown"), word)).encode(), {}, max_bytes=1_000_000)


def test_only_a_rights_request_is_held_by_itself():
    assert {name for name in CATEGORIES if hold_unknown(event(name), HOLD_UNKNOWN)} == {"rights_request"}


@pytest.mark.parametrize("category", ["task", "rights_request"])
@pytest.mark.parametrize("held", [frozenset(), HOLD_UNKNOWN, CATEGORIES], ids=["none", "usual", "all"])
def test_the_event_s_own_word_counts_most(category, held):
    assert hold_unknown(event(category, "hold"), held)
    assert not hold_unknown(event(category, "resend"), held)


def test_an_unknown_category_is_other():
    assert hold_unknown(event("surprise"), frozenset({"other"}))
    assert not hold_unknown(event("surprise"), HOLD_UNKNOWN)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("rights_request", {"rights_request"}),
        (" Audit ,rights_request,, ", {"audit", "rights_request"}),
        ("none", set()),
        ("NONE", set()),
    ],
)
def test_a_list_of_categories(text, found):
    assert categories(text) == found


@pytest.mark.parametrize("text", ["", ",", "surprise", "task;audit", "none,task"])
def test_a_word_that_is_no_category_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match="is none of audit, comment") as caught:
        categories(text)
    assert "surprise" not in str(caught.value)
