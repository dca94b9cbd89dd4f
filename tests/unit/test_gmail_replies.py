"""Every refusal of the Gmail API has a decision, and quotas, permissions and waits are told apart."""

import json
import re
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    PlatformProblem,
    Temporary,
    Throttled,
)
from transports.gmail.discovery import read_error
from transports.gmail.replies import Refusal, classify, find_rule, wait
from transports.gmail.reply_rules import DAY, HOUR, LONG, MINUTE, OWN_APP, RULES

NOW = 1_800_000_000.0
METRIC = "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute{}' of service 'gmail.googleapis.com'"
LOCKED = "User-rate limit exceeded.  Retry after {} (Mail sending)"


def iso(seconds: float, zone: str = "Z") -> str:
    """A moment so many seconds from ``NOW``, which is 08:00:00 UTC."""
    assert 0 <= seconds < 16 * 3600
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    return f"2027-01-15T{8 + int(hours):02d}:{int(minutes):02d}:{rest:06.3f}{zone}"


def refusal(status: int, reason: str = "", message: str = "", headers: dict[str, str] | None = None) -> Refusal:
    return Refusal(status, headers or {}, message, tuple(reason.split()))


CASES = [
    # per user
    (429, "rateLimitExceeded", "Rate Limit Exceeded", Throttled, Code.THROTTLED),
    (429, "userRateLimitExceeded", "User-rate limit exceeded", Throttled, Code.THROTTLED),
    (429, "", "Too many concurrent requests for user", Throttled, Code.TOO_MANY_CONNECTIONS),
    (429, "rateLimitExceeded", "Too many concurrent requests for user", Throttled, Code.TOO_MANY_CONNECTIONS),
    (429, "", "", Throttled, Code.THROTTLED),
    (403, "userRateLimitExceeded", "User Rate Limit Exceeded", Throttled, Code.THROTTLED),
    (403, "rateLimitExceeded", METRIC.format(" per user"), Throttled, Code.THROTTLED),
    (403, "RATE_LIMIT_EXCEEDED RESOURCE_EXHAUSTED", METRIC.format(" per user"), Throttled, Code.THROTTLED),
    (403, "rateLimitExceeded", "Rate Limit Exceeded", Throttled, Code.THROTTLED),
    # the daily cap
    (429, "userRateLimitExceeded", LOCKED.format(iso(30)), Throttled, Code.THROTTLED),
    (429, "userRateLimitExceeded", LOCKED.format(iso(3 * HOUR)), AccountProblem, Code.QUOTA_EXHAUSTED),
    (403, "userRateLimitExceeded", LOCKED.format(iso(3 * HOUR)), AccountProblem, Code.QUOTA_EXHAUSTED),
    (429, "", "User-rate limit exceeded. (Mail sending)", AccountProblem, Code.QUOTA_EXHAUSTED),
    # the project
    (403, "dailyLimitExceeded", "Daily Limit Exceeded", PlatformProblem, Code.PLATFORM_QUOTA),
    (429, "dailyLimitExceeded", "Daily Limit Exceeded", PlatformProblem, Code.PLATFORM_QUOTA),
    (403, "rateLimitExceeded", METRIC.format(""), PlatformProblem, Code.PLATFORM_QUOTA),
    (429, "rateLimitExceeded RATE_LIMIT_EXCEEDED", METRIC.format(""), PlatformProblem, Code.PLATFORM_QUOTA),
    (403, "accessNotConfigured", "Gmail API has not been used", PlatformProblem, Code.PLATFORM_SETTINGS),
    (403, "SERVICE_DISABLED", "", PlatformProblem, Code.PLATFORM_SETTINGS),
    (403, "", "Gmail API has not been used in project 1 before", PlatformProblem, Code.PLATFORM_SETTINGS),
    # the account
    (401, "authError", "Invalid Credentials", AccountProblem, Code.RECONNECTION_NEEDED),
    (401, "", "", AccountProblem, Code.RECONNECTION_NEEDED),
    (400, "failedPrecondition", "Mail service not enabled", AccountProblem, Code.MAILBOX_UNAVAILABLE),
    (403, "failedPrecondition", "Mail service not enabled", AccountProblem, Code.MAILBOX_UNAVAILABLE),
    (400, "FAILED_PRECONDITION", "Precondition check failed.", AccountProblem, Code.MAILBOX_UNAVAILABLE),
    (400, "", "Mail service not enabled", AccountProblem, Code.MAILBOX_UNAVAILABLE),
    (403, "domainPolicy", "The domain administrators have disabled", AccountProblem, Code.ACCESS_POLICY),
    (403, "insufficientPermissions", "Insufficient Permission", AccountProblem, Code.PERMISSION_MISSING),
    (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "", AccountProblem, Code.PERMISSION_MISSING),
    (403, "forbidden", "Delegation denied for a@b", AccountProblem, Code.PERMISSION_MISSING),
    (403, "forbidden", "Account has been disabled", AccountProblem, Code.ACCOUNT_SUSPENDED),
    (401, "authError", "The user is suspended", AccountProblem, Code.ACCOUNT_SUSPENDED),
    # the mail
    (400, "invalidArgument", "Recipient address required", MessageRefused, Code.RECIPIENT_REFUSED),
    (400, "invalidArgument", "Invalid To header", MessageRefused, Code.RECIPIENT_REFUSED),
    (400, "badRequest", "'raw' RFC822 payload message string required", MessageRefused, Code.MESSAGE_REFUSED),
    (400, "", "", MessageRefused, Code.MESSAGE_REFUSED),
    (400, "invalidArgument", "Message too large", MessageRefused, Code.MESSAGE_TOO_LARGE),
    (413, "uploadTooLarge", "Request payload size exceeds the limit", MessageRefused, Code.MESSAGE_TOO_LARGE),
    (413, "", "", MessageRefused, Code.MESSAGE_TOO_LARGE),
    # neither yes nor no
    (500, "backendError", "Internal error", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
    (502, "", "", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
    (503, "backendError", "", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
    (504, "", "", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
    (599, "", "", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
    (408, "", "", Temporary, Code.TEMPORARY_FAILURE),
    (403, "", "Forbidden", Temporary, Code.UNKNOWN_REPLY),
    (403, "somethingNew", "Rate", Temporary, Code.UNKNOWN_REPLY),
    (404, "notFound", "Not Found", Temporary, Code.UNKNOWN_REPLY),
    (302, "", "", Temporary, Code.UNKNOWN_REPLY),
]


@pytest.mark.parametrize(("status", "reason", "message", "kind", "code"), CASES)
def test_known_refusals_get_the_decision_of_google_s_documents(
    status: int, reason: str, message: str, kind: type[DeliveryError], code: Code
) -> None:
    error = classify(refusal(status, reason, message), NOW)
    assert (type(error), error.code) == (kind, code)


def test_every_row_can_decide_something_and_names_its_source() -> None:
    found = {find_rule(refusal(status, reason, message)) for status, reason, message, _, _ in CASES}
    found.add(find_rule(refusal(429, "", f"Retry after {iso(5)}")))
    for row in RULES:
        assert row.source
        assert row in found, f"no refusal of a case reaches {row}"


words = st.sampled_from(sorted({word for row in RULES for word in row.reasons} | {"somethingNew", "x@y"}))


@given(st.integers(300, 599), st.lists(words, max_size=3), st.text(max_size=60), st.booleans(), st.booleans())
def test_every_refusal_has_a_decision_that_tells_words_of_ours_alone(
    status: int, reasons: list[str], message: str, final: bool, own_app: bool
) -> None:
    error = classify(Refusal(status, {}, message, tuple(reasons)), NOW, final=final, own_app=own_app)
    assert error.transport == "gmail"
    assert re.fullmatch(r"\d{3}( [a-z_]+)?", error.detail, re.IGNORECASE)
    assert "x@y" not in error.detail
    assert error.retry_after is None or error.retry_after > 0
    assert not (own_app and isinstance(error, PlatformProblem))
    assert final or not isinstance(error, OutcomeUnknown)


def test_what_is_wrong_with_the_organisation_s_own_app_is_its_own_matter() -> None:
    off = classify(refusal(403, "accessNotConfigured"), NOW, own_app=True)
    assert (type(off), off.code) == (AccountProblem, Code.APP_CREDENTIALS)
    used_up = classify(refusal(403, "dailyLimitExceeded"), NOW, own_app=True)
    assert (type(used_up), used_up.code, used_up.retry_after) == (AccountProblem, Code.QUOTA_EXHAUSTED, HOUR)
    assert {row.code for row in RULES if row.error is PlatformProblem} == set(OWN_APP)


WAITS = [
    ({"Retry-After": "17"}, "", 17.0),
    ({"Retry-After": "0"}, "", 0.5),
    ({"Retry-After": formatdate(NOW + 90, usegmt=True)}, "", 90.0),
    ({"Retry-After": formatdate(NOW + 90, usegmt=True), "Date": formatdate(NOW + 60, usegmt=True)}, "", 30.0),
    ({"Retry-After": "soon"}, "", None),
    ({}, LOCKED.format(iso(42.5)), 42.5),
    ({}, LOCKED.format(iso(42.5)).lower(), 42.5),
    ({}, LOCKED.format(iso(42.0, "")), 42.0),
    ({}, LOCKED.format(iso(2 * HOUR + 42, "+02:00")), 42.0),
    ({}, LOCKED.format(iso(2 * HOUR, "+0200")), 0.5),
    ({}, "Retry after 2027-01-15T08:00:42.123456789Z", 42.123456),
    ({"Date": formatdate(NOW - 3600, usegmt=True)}, LOCKED.format(iso(10)), 3610.0),
    ({"Date": formatdate(NOW - 1, usegmt=True)}, LOCKED.format(iso(10)), 10.0),
    ({"Retry-After": "3"}, LOCKED.format(iso(10)), 10.0),
    ({"Retry-After": "3"}, "Retry after 2027-01-15T07:00:00Z", 3.0),
    ({}, "Retry after 2027-01-15T07:00:00Z", None),
    ({}, "Retry after 2027-01-15T07:59:59Z", 0.5),
    ({}, "Retry after 2027-13-45T99:00:00Z", None),
    ({}, "Retry after 2028-01-15T08:00:00Z", DAY),
    ({}, "nothing", None),
]


@pytest.mark.parametrize(("headers", "message", "seconds"), WAITS)
def test_a_wait_is_read_as_seconds_as_a_date_and_from_the_text(
    headers: dict[str, str], message: str, seconds: float | None
) -> None:
    assert wait(refusal(429, "", message, headers), NOW) == pytest.approx(seconds, abs=1e-3)


def test_a_long_wait_suspends_the_account_until_then_and_a_short_one_slows_it_down() -> None:
    short = classify(refusal(429, "userRateLimitExceeded", "", {"Retry-After": str(int(LONG))}), NOW)
    assert (type(short), short.retry_after) == (Throttled, LONG)
    long = classify(refusal(429, "userRateLimitExceeded", "", {"Retry-After": str(int(LONG) + 1)}), NOW)
    assert (type(long), long.code, long.retry_after) == (AccountProblem, Code.QUOTA_EXHAUSTED, LONG + 1)
    unnamed = classify(refusal(429, "userRateLimitExceeded"), NOW)
    assert (type(unnamed), unnamed.retry_after) == (Throttled, MINUTE)


@given(st.text(max_size=80))
def test_no_text_upsets_the_reading_of_a_wait(text: str) -> None:
    wait(refusal(429, "", f"Retry after {text}"), NOW)


@pytest.mark.parametrize(
    ("body", "read"),
    [
        (b"", ("Bad Request", ())),
        (b"<html>no</html>", ("Bad Request", ())),
        (b"\xff\xfe", ("Bad Request", ())),
        (b"[" * 100_000, ("", ())),
        (b'{"error": "invalid"}', ("Bad Request", ())),
        (b'{"error": {"message": 5}}', ("", ())),
        (b'{"error": {"message": "m", "errors": "x", "details": [1, {"reason": 2}]}}', ("m", ())),
        (b'[{"error": {"message": "m", "status": "S"}}]', ("m", ("S",))),
        (b'{"error": {"message": "m", "errors": [{"reason": "r"}], "details": [{"reason": "D"}], "status": "S"}}',
         ("m", ("r", "D", "S"))),
    ],
)  # fmt: skip
def test_the_refusal_is_read_from_whatever_comes(body: bytes, read: tuple[str, tuple[str, ...]]) -> None:
    assert read_error(400, body) == read


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(
    st.sampled_from(["error", "message", "errors", "details", "status", "reason"]), inner)))  # fmt: skip
def test_no_json_upsets_the_reading(found: object) -> None:
    message, reasons = read_error(400, json.dumps(found).encode())
    assert isinstance(message, str)
    assert all(isinstance(reason, str) for reason in reasons)
