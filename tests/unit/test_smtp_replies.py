"""Every reply has a decision, and the decisions that providers make hard are the right ones."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    Permanent,
    PlatformProblem,
    RecipientDeferred,
    RecipientRefused,
    Temporary,
    Throttled,
    Unreachable,
)
from transports.smtp.phases import Phase
from transports.smtp.replies import Reply, classify, find_rule
from transports.smtp.reply_rules import RULES

enhanced_codes = st.one_of(
    st.just(""),
    st.builds("{}.{}.{} ".format, st.sampled_from([2, 4, 5]), st.integers(0, 9), st.integers(0, 999)),
)


@given(st.sampled_from(Phase), st.integers(200, 599), enhanced_codes, st.text(max_size=60))
def test_every_reply_has_a_decision_that_tells_nothing_but_numbers(
    phase: Phase, code: int, enhanced: str, text: str
) -> None:
    error = classify(phase, Reply(code, enhanced + text))
    assert isinstance(error, DeliveryError)
    assert error.code in Code
    assert re.fullmatch(r"\d{3}( \d\.\d{1,3}\.\d{1,3})?", error.detail)
    assert error.retry_after is None or error.retry_after > 0
    assert not isinstance(error, PlatformProblem)


@given(st.sampled_from(Phase), st.integers(400, 499), enhanced_codes)
def test_a_4yz_without_known_text_is_never_final(phase: Phase, code: int, enhanced: str) -> None:
    assert isinstance(classify(phase, Reply(code, enhanced)), Temporary)


@given(st.sampled_from(Phase), st.integers(200, 599), enhanced_codes, st.text(max_size=40))
def test_only_after_the_final_dot_can_the_outcome_be_unknown(phase: Phase, code: int, enhanced: str, text: str) -> None:
    unknown = isinstance(classify(phase, Reply(code, enhanced + text)), OutcomeUnknown)
    assert unknown == (phase is Phase.BODY and code < 400)


@given(st.sampled_from([Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY]), st.integers(557, 599))
def test_a_5yz_nobody_agreed_on_is_not_final(phase: Phase, code: int) -> None:
    if code == 571:
        return
    error = classify(phase, Reply(code))
    assert isinstance(error, Temporary)
    assert error.code is Code.UNKNOWN_REPLY


@given(st.integers(500, 599), enhanced_codes)
def test_a_5yz_at_sign_in_always_stops_the_account(code: int, enhanced: str) -> None:
    assert isinstance(classify(Phase.AUTH, Reply(code, enhanced)), AccountProblem)


@given(st.integers(400, 599), enhanced_codes, st.text(max_size=40))
def test_a_bad_opening_never_blames_the_mail(code: int, enhanced: str, text: str) -> None:
    for phase in (Phase.GREETING, Phase.EHLO):
        assert isinstance(classify(phase, Reply(code, enhanced + text)), Unreachable | Throttled)


CASES = [
    (Phase.GREETING, 554, "5.7.1 go away", Unreachable, Code.ENDPOINT_UNAVAILABLE),
    (Phase.GREETING, 421, "4.7.0 mx Error: too many connections from 192.0.2.1", Throttled, Code.TOO_MANY_CONNECTIONS),
    (Phase.GREETING, 421, "4.3.2 Service not available", Throttled, Code.TOO_MANY_CONNECTIONS),
    (Phase.TLS, 454, "4.7.0 TLS not available due to local problem", Unreachable, Code.TLS_UNAVAILABLE),
    (Phase.TLS, 502, "5.5.1 not implemented", AccountProblem, Code.TLS_NOT_OFFERED),
    (Phase.AUTH, 535, "5.7.8 Username and Password not accepted", AccountProblem, Code.SIGN_IN_REFUSED),
    (Phase.AUTH, 535, "5.7.3 Authentication unsuccessful", AccountProblem, Code.SIGN_IN_REFUSED),
    (Phase.AUTH, 535, "5.7.139 basic authentication is disabled", AccountProblem, Code.SIGN_IN_MECHANISM),
    (
        Phase.AUTH,
        535,
        "5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
        AccountProblem,
        Code.SIGN_IN_REFUSED,
    ),
    (
        Phase.AUTH,
        535,
        "5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox.",
        AccountProblem,
        Code.SIGN_IN_MECHANISM,
    ),
    (
        Phase.AUTH,
        535,
        "5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.",
        AccountProblem,
        Code.SIGN_IN_MECHANISM,
    ),
    (Phase.AUTH, 535, "5.7.57 Client not authenticated to send mail.", AccountProblem, Code.SIGN_IN_MECHANISM),
    (Phase.AUTH, 421, "4.7.0 Try again later, closing connection.", Temporary, Code.SIGN_IN_UNAVAILABLE),
    (Phase.AUTH, 534, "5.7.9 Application-specific password required", AccountProblem, Code.SIGN_IN_MECHANISM),
    (Phase.AUTH, 550, "5.7.30 Basic authentication is not supported", AccountProblem, Code.SIGN_IN_MECHANISM),
    (Phase.AUTH, 504, "5.7.4 Unrecognized authentication type", AccountProblem, Code.SIGN_IN_MECHANISM),
    (Phase.AUTH, 538, "5.7.11 Encryption required", AccountProblem, Code.SIGN_IN_MECHANISM),
    (Phase.AUTH, 530, "5.7.0 Authentication required", AccountProblem, Code.SIGN_IN_REQUIRED),
    (Phase.AUTH, 454, "4.7.0 Temporary authentication failure", Temporary, Code.SIGN_IN_UNAVAILABLE),
    (Phase.AUTH, 454, "4.7.0 Too many login attempts", Throttled, Code.THROTTLED),
    (Phase.AUTH, 432, "4.3.2 Concurrent connections limit exceeded", Throttled, Code.TOO_MANY_CONNECTIONS),
    (Phase.AUTH, 432, "4.7.12 A password transition is needed", Temporary, Code.SIGN_IN_UNAVAILABLE),
    (Phase.MAIL, 550, "5.7.60 SMTP; no permission to send as this sender", AccountProblem, Code.SENDER_REFUSED),
    (Phase.MAIL, 553, "5.7.1 not owned by user", AccountProblem, Code.SENDER_REFUSED),
    (Phase.MAIL, 530, "5.7.57 Client not authenticated to send mail", AccountProblem, Code.SIGN_IN_REQUIRED),
    (Phase.MAIL, 552, "5.3.4 too big", MessageRefused, Code.MESSAGE_TOO_LARGE),
    (Phase.MAIL, 552, "5.2.3 too big", MessageRefused, Code.MESSAGE_TOO_LARGE),
    (Phase.MAIL, 452, "4.3.1 Insufficient system storage", Temporary, Code.TEMPORARY_FAILURE),
    (Phase.MAIL, 503, "5.5.1 nested MAIL", Temporary, Code.PROTOCOL_ERROR),
    (Phase.MAIL, 550, "5.7.30 Basic authentication is not supported", AccountProblem, Code.SIGN_IN_MECHANISM),
    (Phase.MAIL, 451, "4.3.2 System not accepting network messages", Temporary, Code.TEMPORARY_FAILURE),
    (Phase.MAIL, 450, "4.2.1 Peak SMTP relay limit exceeded for customer", Throttled, Code.THROTTLED),
    (Phase.MAIL, 554, "5.7.60 not allowed to send as", AccountProblem, Code.SENDER_REFUSED),
    (Phase.MAIL, 421, "4.7.0 Try again later", Throttled, Code.THROTTLED),
    (Phase.MAIL, 421, "4.4.2 timeout exceeded", Unreachable, Code.ENDPOINT_UNAVAILABLE),
    (Phase.MAIL, 550, "5.4.5 Daily user sending limit exceeded", AccountProblem, Code.QUOTA_EXHAUSTED),
    (Phase.RCPT, 550, "5.1.1 unknown", RecipientRefused, Code.RECIPIENT_REFUSED),
    (Phase.RCPT, 553, "5.1.3 bad syntax", RecipientRefused, Code.RECIPIENT_REFUSED),
    (Phase.RCPT, 551, "not local", RecipientRefused, Code.RECIPIENT_REFUSED),
    (Phase.RCPT, 556, "5.1.10 null MX", RecipientRefused, Code.RECIPIENT_REFUSED),
    (Phase.RCPT, 450, "4.7.1 Greylisted", RecipientDeferred, Code.RECIPIENT_GREYLISTED),
    (Phase.RCPT, 451, "4.7.1 try later", RecipientDeferred, Code.RECIPIENT_GREYLISTED),
    (Phase.RCPT, 450, "4.2.0 postgrey", RecipientDeferred, Code.RECIPIENT_GREYLISTED),
    (Phase.RCPT, 451, "Greylisting in action", RecipientDeferred, Code.RECIPIENT_GREYLISTED),
    (Phase.RCPT, 450, "4.2.1 receiving mail too quickly", RecipientDeferred, Code.RECIPIENT_DEFERRED),
    (Phase.RCPT, 452, "4.5.3 too many recipients", RecipientDeferred, Code.TOO_MANY_RECIPIENTS),
    (Phase.RCPT, 552, "Too many recipients", RecipientDeferred, Code.TOO_MANY_RECIPIENTS),
    (Phase.RCPT, 452, "4.2.2 over quota", RecipientDeferred, Code.RECIPIENT_MAILBOX_FULL),
    (Phase.RCPT, 552, "5.2.2 over quota", RecipientDeferred, Code.RECIPIENT_MAILBOX_FULL),
    (Phase.RCPT, 554, "5.7.1 <x>: Relay access denied", RecipientRefused, Code.RELAYING_DENIED),
    (Phase.RCPT, 553, "5.7.1 <s@x>: Sender address rejected: not owned by user j", AccountProblem, Code.SENDER_REFUSED),
    (Phase.RCPT, 550, "5.1.0 <s@x>: Sender address rejected: User unknown", AccountProblem, Code.SENDER_REFUSED),
    (Phase.RCPT, 450, "4.1.8 <s@x>: Sender address rejected: no domain", Temporary, Code.TEMPORARY_FAILURE),
    (Phase.RCPT, 550, "Verification failed for <s@x>\nSender verify failed", AccountProblem, Code.SENDER_REFUSED),
    (Phase.RCPT, 550, "5.1.8 Access denied, bad outbound sender", AccountProblem, Code.SENDER_REFUSED),
    (Phase.RCPT, 550, "5.7.1 listed at zen.spamhaus.org", RecipientDeferred, Code.TEMPORARY_FAILURE),
    (Phase.RCPT, 550, "5.4.5 Daily quota", AccountProblem, Code.QUOTA_EXHAUSTED),
    (Phase.RCPT, 550, "5.1.2 unknown domain", RecipientRefused, Code.RECIPIENT_REFUSED),
    (Phase.RCPT, 550, "5.1.10 no such address", RecipientRefused, Code.RECIPIENT_REFUSED),
    (Phase.RCPT, 421, "4.7.0 Try again later", Throttled, Code.THROTTLED),
    (Phase.DATA, 554, "5.5.1 no valid recipients", Temporary, Code.PROTOCOL_ERROR),
    (Phase.DATA, 503, "5.5.1 need RCPT", Temporary, Code.PROTOCOL_ERROR),
    (Phase.BODY, 451, "4.3.0 busy", Temporary, Code.TEMPORARY_FAILURE),
    (Phase.BODY, 421, "closing", Unreachable, Code.ENDPOINT_UNAVAILABLE),
    (Phase.BODY, 550, "5.7.1 spam", MessageRefused, Code.MESSAGE_REFUSED),
    (Phase.BODY, 554, "5.6.0 bad content", MessageRefused, Code.MESSAGE_REFUSED),
    (Phase.BODY, 550, "5.7.26 unauthenticated", MessageRefused, Code.SENDER_UNAUTHENTICATED),
    (Phase.BODY, 550, "5.7.515 Access denied", MessageRefused, Code.SENDER_UNAUTHENTICATED),
    (Phase.BODY, 550, "5.4.5 Daily user sending limit exceeded", AccountProblem, Code.QUOTA_EXHAUSTED),
    (Phase.BODY, 550, "5.7.236 onmicrosoft.com", AccountProblem, Code.QUOTA_EXHAUSTED),
    (Phase.BODY, 452, "4.5.3 Domain policy size per transaction exceeded", Temporary, Code.TEMPORARY_FAILURE),
    (Phase.BODY, 432, "4.3.2 Concurrent connections limit exceeded", Throttled, Code.TOO_MANY_CONNECTIONS),
    (Phase.BODY, 552, "5.3.4 too big", MessageRefused, Code.MESSAGE_TOO_LARGE),
    (Phase.BODY, 552, "5.7.0 blocked for its content", MessageRefused, Code.MESSAGE_REFUSED),
    (Phase.BODY, 554, "5.2.0 STOREDRV.Submission.Exception:x", AccountProblem, Code.QUOTA_EXHAUSTED),
    (Phase.BODY, 554, "5.2.252 SendAsDenied; not allowed", AccountProblem, Code.SENDER_REFUSED),
    (Phase.BODY, 554, "5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException", AccountProblem, Code.SENDER_REFUSED),
    (Phase.BODY, 554, "5.2.2 mailbox full", AccountProblem, Code.QUOTA_EXHAUSTED),
    (
        Phase.BODY,
        432,
        "4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
        Throttled,
        Code.TOO_MANY_CONNECTIONS,
    ),
    (Phase.BODY, 354, "again", OutcomeUnknown, Code.OUTCOME_UNKNOWN),
]


@pytest.mark.parametrize(("phase", "code", "text", "kind", "reason"), CASES)
def test_known_replies_get_the_decision_of_the_provider_notes(
    phase: Phase, code: int, text: str, kind: type[DeliveryError], reason: Code
) -> None:
    error = classify(phase, Reply(code, text))
    assert (type(error), error.code) == (kind, reason)


def test_a_daily_quota_heals_within_a_day() -> None:
    error = classify(Phase.MAIL, Reply(550, "5.4.5 Daily user sending limit exceeded"))
    assert error.retry_after == 24 * 3600


def test_the_basic_code_wins_when_the_enhanced_one_disagrees() -> None:
    error = classify(Phase.RCPT, Reply(450, "5.1.1 unknown"))
    assert isinstance(error, RecipientDeferred)
    assert error.detail == "450 4.1.1"
    assert not isinstance(error, Permanent)


def test_every_row_can_decide_something_and_names_its_source() -> None:
    for row in RULES:
        assert row.source
        found = {
            find_rule(phase, Reply(int(row.code.ljust(3, "5")[:3] if len(row.code) == 3 else f"{row.code}50"), text))
            for phase in row.phases
            for text in _texts(row.enhanced, row.text)
        }
        assert row in found, f"no reply reaches {row}"


def _texts(enhanced: str, pattern: str) -> list[str]:
    number = f"5.{enhanced}99" if enhanced.endswith(".") else f"5.{enhanced}" if enhanced else ""
    words = [
        "", "too many connections", "thread limit exceeded", "sendasdenied", "storedrv", "too many", "spamhaus",
        "rate limit", "greylist", "relay access denied", "no valid recipients", "sender address rejected",
        "credentials were incorrect",
    ]  # fmt: skip
    return [f"{number} {word}".strip() for word in words if not pattern or re.search(pattern, word)]


@pytest.mark.parametrize(
    "text",
    [
        "5.1.1 <jo@acme.example>: Recipient address rejected: User unknown in relay recipient table",
        "<relay@acme.example>: no such user",
        "5.7.1 <relay-denied@blocklist.example>: Recipient refused",
        "5.1.1 unable to relay to unknown user",
        '5.1.1 <"sender address rejected"@acme.example>: Recipient address rejected',
        '5.1.1 "sender verify failed: "@acme.example is unknown',
        "5.1.1 <sender@acme.example>: the sender address rejected by the recipient",
    ],
)
def test_what_a_reply_repeats_of_an_address_or_a_table_never_blames_the_account(text: str) -> None:
    error = classify(Phase.RCPT, Reply(550, text))
    assert isinstance(error, RecipientRefused)
    assert error.code is Code.RECIPIENT_REFUSED


@pytest.mark.parametrize(
    "text",
    ["5.7.1 <jo@x.example>: Relay access denied", "relaying denied", "5.7.1 Unable to relay", "Relay not permitted"],
)
def test_a_denied_relay_is_told_apart_from_a_refused_recipient(text: str) -> None:
    assert classify(Phase.RCPT, Reply(550, text)).code is Code.RELAYING_DENIED
