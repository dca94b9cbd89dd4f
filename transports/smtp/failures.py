"""Every exception of aiosmtplib, ssl and the socket becomes one of ours, once, by the tables below.

What a *reply* means is not decided here but in ``replies``.
"""

import re
import socket
import ssl

from aiosmtplib import errors as client

from transports.certificate import VERIFY_CODES
from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    Temporary,
    Unreachable,
)
from transports.smtp.phases import Phase
from transports.smtp.replies import Reply, classify

NAME = "smtp"

TIMED_OUT: dict[Phase, Code] = {
    Phase.ADDRESS: Code.NAME_NOT_FOUND,
    Phase.CONNECT: Code.CONNECT_TIMEOUT,
    Phase.TLS: Code.TLS_FAILED,
}
"""A silence in this phase; every other phase is ``REPLY_TIMEOUT``."""

BROKEN: dict[Phase, Code] = {
    Phase.ADDRESS: Code.NAME_NOT_FOUND,
    Phase.CONNECT: Code.CONNECT_FAILED,
    Phase.TLS: Code.TLS_FAILED,
}
"""A broken wire in this phase; every other phase is ``CONNECTION_LOST``."""

# OpenSSL's reasons when what came was no TLS record at all, as from a server that expects STARTTLS.
_PLAIN_TEXT = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"})
_GREETINGS = (
    (b"\x15\x03", "TLS instead of a greeting"),  # RFC 8446 §5.1: an alert, for want of a ClientHello
    (b"\x16\x03", "TLS instead of a greeting"),  # a handshake record
    (b"HTTP/", "HTTP instead of a greeting"),
)
# A handshake that was cut says nothing about the settings; any other TLS refusal (a plain-text port, no common version
# or cipher) stays as it is until a person changes a setting.
_CUT = re.compile(r"EOF|UNEXPECTED_EOF|SHUTDOWN|CLOSED|TIMED?_?OUT|INTERNAL_ERROR", re.IGNORECASE)


def translate(error: Exception, phase: Phase, heard: bytes = b"") -> DeliveryError:
    """``error``, raised in ``phase``, as one of ours; ``heard`` is how the server began to speak.

    The detail tells apart what a wrong security setting for a port leads to: "plain text instead of TLS" for TLS where
    STARTTLS is spoken; "no greeting", "closed without a greeting" and "TLS instead of a greeting" for the reverse;
    "HTTP instead of a greeting" and "no mail server's greeting" for no mail server at all.

    In ``Phase.BODY`` whatever breaks leaves the outcome unknown, except a well-formed reply.
    """
    if isinstance(error, client.SMTPResponseException) and 200 <= error.code <= 599:
        return classify(phase, Reply(error.code, error.message))
    if phase is Phase.BODY:
        return OutcomeUnknown(Code.OUTCOME_UNKNOWN, _word(error), transport=NAME)
    for kind, decide in _TABLE:
        if isinstance(error, kind):
            translated = decide(error, phase)
            if phase is Phase.GREETING:
                return type(translated)(translated.code, _no_greeting(error, heard), transport=NAME)
            return translated
    raise TypeError(f"no translation for {type(error).__name__}") from error


def _word(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no reply"
    return "unreadable reply" if isinstance(error, client.SMTPResponseException) else "connection lost"


def _no_greeting(error: Exception, heard: bytes) -> str:
    for beginning, words in _GREETINGS:
        if heard.startswith(beginning):
            return words
    if isinstance(error, client.SMTPResponseException):
        return "no mail server's greeting"
    return "no greeting" if isinstance(error, TimeoutError) else "closed without a greeting"


def _certificate(error: Exception, phase: Phase) -> DeliveryError:
    code = getattr(error, "verify_code", 0)
    return AccountProblem(VERIFY_CODES.get(code, Code.CERTIFICATE_INVALID), f"verify code {code}", transport=NAME)


def _tls(error: Exception, phase: Phase) -> DeliveryError:
    if phase is not Phase.TLS:
        return _broken(error, phase)
    if getattr(error, "reason", None) in _PLAIN_TEXT:
        return AccountProblem(Code.TLS_FAILED, "plain text instead of TLS", transport=NAME)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or _CUT.search(str(error)):
        return Unreachable(Code.TLS_FAILED, "handshake cut", transport=NAME)
    return AccountProblem(Code.TLS_FAILED, "handshake refused", transport=NAME)


def _timed_out(error: Exception, phase: Phase) -> DeliveryError:
    return Unreachable(TIMED_OUT.get(phase, Code.REPLY_TIMEOUT), f"at {phase}", transport=NAME)


def _broken(error: Exception, phase: Phase) -> DeliveryError:
    return Unreachable(BROKEN.get(phase, Code.CONNECTION_LOST), f"at {phase}", transport=NAME)


def _protocol(error: Exception, phase: Phase) -> DeliveryError:
    return Temporary(Code.PROTOCOL_ERROR, f"at {phase}", transport=NAME)


def _unresolved(error: Exception, phase: Phase) -> DeliveryError:
    return Unreachable(Code.NAME_NOT_FOUND, transport=NAME)


def _unwritable(error: Exception, phase: Phase) -> DeliveryError:
    return MessageRefused(Code.MESSAGE_REFUSED, f"control character at {phase}", transport=NAME)


# The first row that fits, so special classes stand before their parents. Builtin parents: aiosmtplib's classes are
# also ConnectionError or TimeoutError, and every one of them is an OSError or an SMTPException.
_TABLE = (
    (ssl.SSLCertVerificationError, _certificate),
    (ssl.SSLError, _tls),
    (socket.gaierror, _unresolved),
    (client.SMTPResponseException, _protocol),
    (TimeoutError, _timed_out),
    (OSError, _broken),
    (client.SMTPException, _protocol),
    (ValueError, _unwritable),
)

TRANSLATED: tuple[type[Exception], ...] = tuple(kind for kind, _ in _TABLE)
"""What a client call may raise; anything else is a defect of ours and passes through."""
