"""Answers of token endpoints, read: refusals, waits and spans, however odd."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.oauth import consents, google_codes, microsoft_codes
from config.oauth.codes import Refusal, Verdict
from config.oauth.provider import ConsentRefused
from config.oauth.replies import LONGEST_WAIT, of_fields, refusal, retry_after, seconds
from config.oauth.wire import Reply
from transports.errors import Code, DeliveryError, PlatformProblem, Temporary

NOW = 1_795_262_400.0  # Sat, 21 Nov 2026 12:00:00 GMT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": " 2.5 "}, 2.5),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 09:00:30 GMT", "date": "Sat, 21 Nov 2026 09:00:00 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "9999999999"}, LONGEST_WAIT),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "1e999"}, None),
    ],
)
def test_a_wait_in_seconds_or_as_a_date(headers: dict[str, str], expected: float | None) -> None:
    assert retry_after(headers, now=NOW) == expected


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_wait_never_fails(text: str, date: str) -> None:
    found = retry_after({"retry-after": text, "date": date}, now=NOW)
    assert found is None or 0 <= found <= LONGEST_WAIT


@given(st.text(max_size=200) | st.lists(st.none() | st.integers() | st.text()).map(json.dumps))
def test_any_answer_is_a_refusal_of_some_kind(text: str) -> None:
    found = refusal(Reply(400, {}, text), now=NOW)
    for verdict in (microsoft_codes.classify(found), google_codes.classify(found)):
        assert issubclass(verdict.error, DeliveryError)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "error": st.text() | st.integers() | st.lists(st.text()),
            "error_description": st.text() | st.integers(),
            "error_codes": st.lists(st.integers() | st.text()) | st.text(),
            "suberror": st.text() | st.integers(),
            "error_subtype": st.text(),
        },
    )
)
def test_a_detail_holds_words_of_ours_and_numbers_only(fields: dict[str, object]) -> None:
    found = of_fields(fields, status=400)
    for verdict in (microsoft_codes.classify(found), google_codes.classify(found)):
        assert verdict.detail.isascii()
        assert "@" not in verdict.detail


def test_numbers_come_from_the_list_or_else_from_the_text() -> None:
    assert of_fields({"error_codes": [50173]}).numbers == ("50173",)
    assert of_fields({"error_description": "AADSTS65004: The user said no."}).numbers == ("65004",)
    both = {"error_codes": [50173], "error_description": "AADSTS50173: see AADSTS50076"}
    assert of_fields(both).numbers == ("50173", "50076")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[(3599, 3599.0), ("3599", 3599.0), ("3600.5", 3600.5), (1.5, 1.5)],
        *[(None, 7.0), ("", 7.0), ("soon", 7.0), ([], 7.0), (True, 7.0), (math.nan, 7.0), (10**400, 7.0)],
        *[(0, 60.0), (-1, 60.0), (-math.inf, 60.0), (1e12, 86_400.0), (math.inf, 86_400.0)],
    ],
)
def test_a_span_is_read_as_it_was_meant(value: object, expected: float) -> None:
    assert seconds(value, 7.0) == expected


@pytest.mark.parametrize(
    ("error", "number", "expected"),
    [
        ("access_denied", "", "declined"),
        ("access_denied", "65004", "declined"),
        ("consent_required", "65004", "declined"),
        ("access_denied", "90094", "admin_consent_needed"),
        ("consent_required", "", "admin_consent_needed"),
        ("interaction_required", "53003", "access_policy"),
        ("access_denied", "50105", "access_policy"),
        ("interaction_required", "50057", "access_policy"),
        ("server_error", "", "unavailable"),
        ("temporarily_unavailable", "", "unavailable"),
        ("purple_monkey", "", "unavailable"),
        ("login_required", "", "expired"),
    ],
)
def test_what_the_browser_brings_back_from_microsoft(error: str, number: str, expected: str) -> None:
    found = Refusal(error, 0, (number,) if number else ())
    caught = consents.at_the_browser(found, microsoft_codes.classify(found))
    assert isinstance(caught, ConsentRefused)
    assert caught.code == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [("access_denied", "declined"), ("admin_policy_enforced", "access_policy"), ("server_error", "unavailable")],
)
def test_what_the_browser_brings_back_from_google(error: str, expected: str) -> None:
    found = Refusal(error, 0)
    caught = consents.at_the_browser(found, google_codes.classify(found))
    assert isinstance(caught, ConsentRefused)
    assert caught.code == expected


def test_a_refused_app_of_ours_is_no_fault_of_the_person() -> None:
    found = Refusal("unauthorized_client", 0, ("50194",))
    assert isinstance(consents.at_the_browser(found, microsoft_codes.classify(found)), PlatformProblem)


@pytest.mark.parametrize(("number", "expected"), [("54005", "expired"), ("70008", "expired"), ("501481", "invalid")])
def test_a_code_that_is_used_or_does_not_fit(number: str, expected: str) -> None:
    caught = consents.at_the_code(microsoft_codes.classify(Refusal("invalid_grant", 400, (number,))))
    assert isinstance(caught, ConsentRefused)
    assert caught.code == expected


def test_a_provider_that_is_away_is_unavailable() -> None:
    caught = consents.at_the_code(Verdict(Temporary, Code.SIGN_IN_UNAVAILABLE, ""))
    assert isinstance(caught, ConsentRefused)
    assert caught.code == "unavailable"
