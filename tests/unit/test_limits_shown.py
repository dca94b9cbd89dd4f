"""How limits are told to an operator, and what is read from the store and from a form."""

import pytest

from config import limit_overrides
from config.choices import AccountLimits
from config.errors import InvalidSettings
from config.languages import texts
from config.limits import DayUnit, Limits
from consumer.cli import limits_shown

PRESET = Limits(4, None, 10_000, DayUnit.RECIPIENTS)
CHOSEN = AccountLimits(PRESET, {"connections": 2, "per_day": 0}, Limits(2, None, None, DayUnit.RECIPIENTS))


def test_a_table_says_what_is_usual_chosen_and_in_force():
    assert limits_shown.rows(CHOSEN) == [
        ("mails at once", "4", "2", "2"),
        ("mails a minute", "no limit", "-", "no limit"),
        ("recipients a day", "10000", "no limit", "no limit"),
    ]


def test_a_line_names_what_was_chosen_only_if_something_was():
    assert limits_shown.line(AccountLimits(Limits(4), {}, Limits(4))) == (
        "mails at once: 4, mails a minute: no limit, mails a day: no limit"
    )
    assert limits_shown.line(CHOSEN).endswith("(chosen: mails at once 2, recipients a day no limit)")
    assert limits_shown.chosen(None) == ""


def test_a_mistake_is_told_in_both_languages_without_the_value():
    with pytest.raises(InvalidSettings) as caught:
        limit_overrides.checked({"connections": 4711, "per_minute": -4711})
    (first, second) = (sentence for _, sentence in caught.value.problems)
    assert texts("fr").sentence(first).startswith("doit être un nombre entier de 1 à 100,")
    assert "0 for no such limit" in texts("en").sentence(second)
    assert "4711" not in f"{first} {second} {caught.value}"


@pytest.mark.parametrize(
    ("chosen", "wrong"),
    [
        ({"connections": 0}, ["connections"]),
        ({"connections": 101, "per_minute": -1, "per_day": 10_000_001}, ["connections", "per_minute", "per_day"]),
        ({"per_minute": 100_001}, ["per_minute"]),
        ({"connections": True}, ["connections"]),
        ({"per_day": 1.5}, ["per_day"]),
    ],
    ids=str,
)
def test_what_is_out_of_bounds_is_refused_all_at_once(chosen, wrong):
    with pytest.raises(InvalidSettings) as caught:
        limit_overrides.checked(chosen)
    assert [field for field, _ in caught.value.problems] == wrong


def test_the_bounds_themselves_and_what_was_not_chosen():
    assert limit_overrides.checked({"per_day": 0, "connections": 100, "per_minute": None}) == {
        "connections": 100,
        "per_day": 0,
    }


@pytest.mark.parametrize(
    ("column", "found"),
    [(None, {}), ({}, {}), ({"per_minute": 0, "per_hour": 7}, {"per_minute": 0}), ({"connections": None}, {})],
    ids=str,
)
def test_what_is_stored_is_read(column, found):
    assert limit_overrides.stored(column) == found


@pytest.mark.parametrize("column", [[], "4", {"connections": True}, {"connections": 4.0}, {"per_day": "5"}], ids=str)
def test_what_makes_no_sense_is_not_read(column):
    with pytest.raises((TypeError, ValueError)):
        limit_overrides.stored(column)
