"""Every error that Microsoft names has a meaning; what it says in words never matters."""

import json
from email.utils import formatdate

import pytest

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    Temporary,
    Throttled,
)
from transports.http import Reply
from transports.microsoft365.replies import classify, error_codes, find_rule
from transports.microsoft365.reply_rules import PAUSE, RULES

NOW = 1_795_000_000.0
HOUR = 3600.0


def body(code: str, *nested: str) -> bytes:
    inner: dict[str, object] = {}
    for each in reversed(nested):
        inner = {"code": each, "innerError": inner}
    return json.dumps({"error": {"code": code, "message": "canary@provider.example", "innerError": inner}}).encode()


def meaning(status: int, *codes: str, final: bool = True, **headers: str) -> DeliveryError:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Reply(status, given, body(*codes) if codes else b"<html>"), NOW, final=final)


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        # transient
        (429, "ApplicationThrottled", Throttled, Code.THROTTLED),
        (429, "TooManyRequests", Throttled, Code.THROTTLED),
        (429, "activityLimitReached", Throttled, Code.THROTTLED),
        (429, "whatever comes next", Throttled, Code.THROTTLED),
        (429, "quotaLimitReached", Throttled, Code.THROTTLED),
        (503, "serviceNotAvailable", Temporary, Code.TEMPORARY_FAILURE),
        (509, "BandwidthLimitExceeded", Throttled, Code.THROTTLED),
        (500, "ErrorServerBusy", Temporary, Code.TEMPORARY_FAILURE),
        (503, "ErrorServerBusy", Temporary, Code.TEMPORARY_FAILURE),
        (503, "ErrorMailboxStoreUnavailable", Temporary, Code.TEMPORARY_FAILURE),
        (504, "ErrorTimeoutExpired", Temporary, Code.TEMPORARY_FAILURE),
        (503, "MailboxInfoStale", Temporary, Code.TEMPORARY_FAILURE),
        (408, "", Temporary, Code.TEMPORARY_FAILURE),
        # unknown outcome
        (500, "generalException", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
        (502, "BadGateway", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
        (504, "GatewayTimeout", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
        (599, "", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
        (503, "something", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
        (503, "", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
        # this mail
        (400, "ErrorInvalidRecipients", MessageRefused, Code.RECIPIENT_REFUSED),
        (400, "ErrorMimeContentInvalid", MessageRefused, Code.MESSAGE_REFUSED),
        (400, "ErrorMimeContentInvalidBase64String", MessageRefused, Code.MESSAGE_REFUSED),
        (400, "InvalidInternetMessageHeader", MessageRefused, Code.MESSAGE_REFUSED),
        (400, "InvalidInternetMessageHeaderCollection", MessageRefused, Code.MESSAGE_REFUSED),
        (400, "RequestBodyRead", MessageRefused, Code.MESSAGE_REFUSED),
        (400, "BadRequest", MessageRefused, Code.MESSAGE_REFUSED),
        (413, "ErrorMessageSizeExceeded", MessageRefused, Code.MESSAGE_TOO_LARGE),
        (413, "BadRequest", MessageRefused, Code.MESSAGE_TOO_LARGE),
        (415, "RequestBodyRead", MessageRefused, Code.MESSAGE_REFUSED),
        (400, "ErrorInvalidIdMalformed", MessageRefused, Code.MESSAGE_REFUSED),
        # the sender
        (403, "ErrorSendAsDenied", AccountProblem, Code.SENDER_REFUSED),
        # consent and permission
        (403, "ErrorAccessDenied", AccountProblem, Code.PERMISSION_MISSING),
        (403, "accessDenied", AccountProblem, Code.PERMISSION_MISSING),
        (403, "insufficient_claims", AccountProblem, Code.ACCESS_POLICY),
        (401, "InvalidAuthenticationToken", AccountProblem, Code.RECONNECTION_NEEDED),
        # the mailbox
        (404, "MailboxNotEnabledForRESTAPI", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        (404, "MailboxNotSupportedForRESTAPI", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        (404, "ErrorMailboxNotEnabledForRESTAPI", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        (404, "ResourceNotFound", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        (404, "ErrorInvalidUser", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        (404, "Request_ResourceNotFound", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        (400, "extensionError", AccountProblem, Code.MAILBOX_UNAVAILABLE),
        # quota and abuse
        (403, "ErrorExceededMessageLimit", AccountProblem, Code.QUOTA_EXHAUSTED),
        (403, "ErrorMessageSubmissionBlocked", AccountProblem, Code.ACCOUNT_SUSPENDED),
        (403, "ErrorAccountSuspend", AccountProblem, Code.ACCOUNT_SUSPENDED),
        (400, "ErrorQuotaExceeded", AccountProblem, Code.QUOTA_EXHAUSTED),
        (403, "quotaLimitReached", AccountProblem, Code.QUOTA_EXHAUSTED),
        (507, "", AccountProblem, Code.QUOTA_EXHAUSTED),
        # not known
        (400, "SomethingNew", Temporary, Code.UNKNOWN_REPLY),
        (403, "SomethingNew", Temporary, Code.UNKNOWN_REPLY),
        (404, "SomethingNew", Temporary, Code.UNKNOWN_REPLY),
        (307, "", Temporary, Code.UNKNOWN_REPLY),
    ],
)
def test_what_graph_says(status: int, code: str, kind: type[DeliveryError], reason: Code) -> None:
    error = meaning(status, *([code] if code else []))
    assert (type(error), error.code) == (kind, reason)
    assert error.transport == "microsoft365"
    assert "canary" not in str(error)
    assert str(status) in error.detail
    assert "SomethingNew" not in str(error)


def test_before_the_mail_was_to_be_sent_no_failure_leaves_the_outcome_unknown() -> None:
    for status in (500, 502, 503, 504, 599):
        error = meaning(status, "generalException", final=False)
        assert (type(error), error.code) == (Temporary, Code.TEMPORARY_FAILURE)
        assert isinstance(meaning(status, final=False, Retry_After="7"), Throttled)


@pytest.mark.parametrize("spelling", ["innerError", "innererror"])
def test_the_nested_code_knows_better(spelling: str) -> None:
    said = body("ErrorAccessDenied", "ErrorSendAsDenied").replace(b"innerError", spelling.encode())
    assert error_codes(said) == ("erroraccessdenied", "errorsendasdenied", "")
    assert classify(Reply(403, {}, said), NOW, final=True).code is Code.SENDER_REFUSED
    assert meaning(400, "BadRequest", "outer", "ErrorInvalidRecipients").code is Code.RECIPIENT_REFUSED


@pytest.mark.parametrize(
    "strange",
    [b"", b"<html>", b"[]", b'"error"', b'{"error": "words"}', b'{"error": {"code": 7}}', b"\xff", b"[" * 99999],
)
def test_a_body_that_is_none_of_graph_s_counts_by_its_status(strange: bytes) -> None:
    assert classify(Reply(503, {}, strange), NOW, final=False).code is Code.TEMPORARY_FAILURE
    assert classify(Reply(400, {}, strange), NOW, final=True).code is Code.UNKNOWN_REPLY


def test_a_body_nested_without_end_is_read_to_a_depth() -> None:
    assert len(error_codes(body("a", *("b" * 100)))) == 8


def test_retry_after_is_taken_as_it_is() -> None:
    assert meaning(429, "ApplicationThrottled", Retry_After="17").retry_after == 17
    date = formatdate(NOW + 90, usegmt=True)
    assert meaning(429, "ApplicationThrottled", Retry_After=date).retry_after == 90
    assert meaning(429, "ApplicationThrottled", Retry_After="1.5").retry_after == 1.5
    assert meaning(429, "ApplicationThrottled", Retry_After="0").retry_after == 0.5
    busy = meaning(503, "ErrorServerBusy", Retry_After="30")
    assert (type(busy), busy.code, busy.retry_after) == (Throttled, Code.THROTTLED, 30)
    assert meaning(403, "ErrorExceededMessageLimit").retry_after == HOUR
    assert meaning(403, "ErrorExceededMessageLimit", Retry_After="7200").retry_after == 2 * HOUR


@pytest.mark.parametrize("unreadable", ["", "-5", "soon", "7, 8"])
def test_slowing_down_without_a_readable_time_is_for_a_while(unreadable: str) -> None:
    for status, code in (
        (429, ""),
        (509, ""),
        (500, "ApplicationThrottled"),
        (503, "TooManyRequests"),
        (400, "activityLimitReached"),
    ):
        error = meaning(status, *([code] if code else []), Retry_After=unreadable)
        assert (type(error), error.retry_after) == (Throttled, PAUSE)
    assert 10 <= PAUSE <= 60


def test_a_503_that_says_when_to_come_back_was_not_acted_upon() -> None:
    error = meaning(503, Retry_After="30")
    assert (type(error), error.code, error.retry_after) == (Throttled, Code.THROTTLED, 30)
    assert isinstance(meaning(502, Retry_After="30"), OutcomeUnknown)


def test_a_claims_challenge_is_a_policy_whatever_the_code() -> None:
    challenge = 'Bearer realm="", error="insufficient_claims", claims="eyJ"'
    for status in (401, 403):
        assert meaning(status, "InvalidAuthenticationToken", WWW_Authenticate=challenge).code is Code.ACCESS_POLICY


def test_every_row_is_reached_and_has_a_source() -> None:
    for rule in RULES:
        status = min(rule.statuses, default=418)
        code = rule.code.replace("*", "x")
        assert find_rule(status, (code,) if code else ()) is rule, rule
        assert rule.code == rule.code.lower()
        assert len(rule.source) > 10
