"""No exception of aiosmtplib, ssl or the socket leaves the transport untranslated."""

import inspect
import socket
import ssl
from typing import Any

import aiosmtplib.errors
import pytest

from transports.errors import AccountProblem, Code, DeliveryError, OutcomeUnknown, Temporary, Unreachable
from transports.smtp.failures import TRANSLATED, translate
from transports.smtp.phases import Phase
from transports.smtp.wire import OutOfStep

CLIENT = [kind for _, kind in inspect.getmembers(aiosmtplib.errors, inspect.isclass) if issubclass(kind, Exception)]
BEFORE = [phase for phase in Phase if phase is not Phase.BODY]


def instance(kind: type[Exception]) -> Exception:
    arguments: tuple[Any, ...] = ("words",)
    if issubclass(kind, aiosmtplib.errors.SMTPRecipientsRefused):
        arguments = ([],)
    elif issubclass(kind, aiosmtplib.errors.SMTPSenderRefused | aiosmtplib.errors.SMTPRecipientRefused):
        arguments = (550, "words", "jo@example.org")
    elif issubclass(kind, aiosmtplib.errors.SMTPResponseException):
        arguments = (550, "words")
    return kind(*arguments)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("kind", [*CLIENT, OutOfStep])
def test_every_exception_of_the_client_has_a_translation(kind: type[Exception], phase: Phase) -> None:
    assert issubclass(kind, TRANSLATED)
    error = translate(instance(kind), phase)
    assert isinstance(error, DeliveryError)
    assert "words" not in str(error)
    assert "@" not in str(error)


def test_the_walk_finds_the_client_s_exceptions() -> None:
    assert len(CLIENT) >= 15
    assert aiosmtplib.errors.SMTPReadTimeoutError in CLIENT


@pytest.mark.parametrize(
    "error",
    [TimeoutError(), ConnectionResetError(), BrokenPipeError(), OSError(113, "no route"), ssl.SSLError(1, "bad mac")],
)
def test_whatever_breaks_is_unknown_after_the_dot_and_not_sent_before(error: Exception) -> None:
    assert isinstance(translate(error, Phase.BODY), OutcomeUnknown)
    for phase in BEFORE:
        translated = translate(error, phase)
        assert not isinstance(translated, OutcomeUnknown)
        if phase is not Phase.TLS:
            assert isinstance(translated, Unreachable)


def test_malformed_replies_are_protocol_errors_or_unknown() -> None:
    malformed = aiosmtplib.errors.SMTPResponseException(-1, "Malformed SMTP response line: jo@example.org")
    assert isinstance(translate(malformed, Phase.BODY), OutcomeUnknown)
    error = translate(malformed, Phase.MAIL)
    assert isinstance(error, Temporary)
    assert (error.code, error.detail) == (Code.PROTOCOL_ERROR, "at mail")


@pytest.mark.parametrize(
    ("verify_code", "code"),
    [
        (10, Code.CERTIFICATE_EXPIRED),
        (9, Code.CERTIFICATE_EXPIRED),
        (62, Code.CERTIFICATE_NAME_MISMATCH),
        (64, Code.CERTIFICATE_NAME_MISMATCH),
        (18, Code.CERTIFICATE_SELF_SIGNED),
        (19, Code.CERTIFICATE_SELF_SIGNED),
        (20, Code.CERTIFICATE_INVALID),
    ],
)
def test_certificates_are_judged_by_openssl_s_verify_code(verify_code: int, code: Code) -> None:
    failure = ssl.SSLCertVerificationError(1, "certificate verify failed")
    failure.verify_code = verify_code
    error = translate(failure, Phase.TLS)
    assert isinstance(error, AccountProblem)
    assert error.code is code


def test_a_refused_handshake_needs_a_person_and_a_cut_one_does_not() -> None:
    assert isinstance(
        translate(ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version"), Phase.TLS), AccountProblem
    )
    assert isinstance(translate(ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), Phase.TLS), Unreachable)
    assert isinstance(translate(ConnectionResetError(), Phase.TLS), Unreachable)


def test_plain_text_where_tls_was_expected_is_told_apart_from_tls_nobody_can_agree_on() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert translate(plain, Phase.TLS).detail == "plain text instead of TLS"
    old = ssl.SSLError(1, "[SSL: TLSV1_ALERT_PROTOCOL_VERSION] tlsv1 alert protocol version")
    old.reason = "TLSV1_ALERT_PROTOCOL_VERSION"
    assert translate(old, Phase.TLS).detail == "handshake refused"


@pytest.mark.parametrize(
    ("error", "heard", "detail"),
    [
        (TimeoutError(), b"", "no greeting"),
        (ConnectionResetError(), b"", "closed without a greeting"),
        (ConnectionResetError(), b"\x15\x03\x01\x00\x02\x02\x28", "TLS instead of a greeting"),
        (aiosmtplib.errors.SMTPResponseException(-1, "Malformed"), b"\x16\x03\x03", "TLS instead of a greeting"),
        (aiosmtplib.errors.SMTPResponseException(-1, "Malformed"), b"HTTP/1.1 ", "HTTP instead of a greeting"),
        (aiosmtplib.errors.SMTPResponseException(-1, "Malformed"), b"* OK IMAP", "no mail server's greeting"),
    ],
)
def test_a_greeting_that_is_none_says_what_it_was_instead(error: Exception, heard: bytes, detail: str) -> None:
    translated = translate(error, Phase.GREETING, heard)
    assert translated.detail == detail
    assert str(translated) == f"{translated.code}: {detail}"
    assert translate(error, Phase.EHLO, heard).detail == "at ehlo"


def test_names_that_do_not_resolve_are_told_as_such() -> None:
    assert translate(socket.gaierror(-2, "unknown"), Phase.ADDRESS).code is Code.NAME_NOT_FOUND


def test_a_defect_of_ours_is_not_translated() -> None:
    with pytest.raises(TypeError):
        translate(KeyError("x"), Phase.MAIL)
