"""What a failed send says about the way it took: pure, and decided for every code there is.

Only the lack of an answer counts against an account or a server. Whoever refuses a recipient or a mail, or asks for
patience, has answered; what needs a person suspends the account elsewhere; what is ours blames nobody.
"""

from enum import StrEnum
from typing import Final

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    NameServerSilent,
    OutcomeUnknown,
    Permanent,
    PlatformProblem,
    RecipientDeferred,
    Throttled,
)


class Blame(StrEnum):
    """What a send's end counts against."""

    ANSWERED = "answered"
    """Nothing: the way works."""

    NOTHING = "nothing"
    """Nothing, and the way was not tried."""

    SETTINGS = "settings"
    """The account needs a person and is suspended for it; says nothing of the server."""

    ACCOUNT = "account"
    """The account's connection or sign-in gave no answer; the server may be well for others."""

    ENDPOINT = "endpoint"
    """The server could not be reached or would not speak, whoever asks."""

    PLATFORM = "platform"
    """The platform's own app, relay or store; no organisation is to blame."""


BY_CODE: Final[dict[Code, Blame]] = {
    # connecting, TLS and the greeting
    Code.NAME_NOT_FOUND: Blame.ENDPOINT,
    Code.CONNECT_FAILED: Blame.ENDPOINT,
    Code.CONNECT_TIMEOUT: Blame.ENDPOINT,
    Code.ENDPOINT_UNAVAILABLE: Blame.ENDPOINT,
    Code.TLS_UNAVAILABLE: Blame.ENDPOINT,
    Code.TLS_FAILED: Blame.ENDPOINT,
    # of a provider's API, whose certificate no organisation chose
    Code.CERTIFICATE_INVALID: Blame.ENDPOINT,
    Code.CERTIFICATE_SELF_SIGNED: Blame.ENDPOINT,
    Code.CERTIFICATE_EXPIRED: Blame.ENDPOINT,
    Code.CERTIFICATE_NAME_MISMATCH: Blame.ENDPOINT,
    # on a connection that stood
    Code.CONNECTION_LOST: Blame.ACCOUNT,
    Code.REPLY_TIMEOUT: Blame.ACCOUNT,
    Code.SIGN_IN_UNAVAILABLE: Blame.ACCOUNT,
    Code.OUTCOME_UNKNOWN: Blame.ACCOUNT,
    # answers; a reply that is odd may be so because of the mail
    Code.TEMPORARY_FAILURE: Blame.ANSWERED,
    Code.PROTOCOL_ERROR: Blame.ANSWERED,
    Code.UNKNOWN_REPLY: Blame.ANSWERED,
    Code.THROTTLED: Blame.ANSWERED,
    Code.TOO_MANY_CONNECTIONS: Blame.ANSWERED,
    Code.RECIPIENT_REFUSED: Blame.ANSWERED,
    Code.RECIPIENT_DEFERRED: Blame.ANSWERED,
    Code.RECIPIENT_GREYLISTED: Blame.ANSWERED,
    Code.RECIPIENT_MAILBOX_FULL: Blame.ANSWERED,
    Code.TOO_MANY_RECIPIENTS: Blame.ANSWERED,
    Code.SMTPUTF8_UNSUPPORTED: Blame.ANSWERED,
    Code.MESSAGE_TOO_LARGE: Blame.ANSWERED,
    Code.MESSAGE_REFUSED: Blame.ANSWERED,
    Code.SENDER_UNAUTHENTICATED: Blame.ANSWERED,
    Code.RELAYING_DENIED: Blame.ANSWERED,
    # for a person
    Code.TLS_NOT_OFFERED: Blame.SETTINGS,
    Code.ADDRESS_FORBIDDEN: Blame.SETTINGS,
    Code.PORT_FORBIDDEN: Blame.SETTINGS,
    Code.SIGN_IN_REFUSED: Blame.SETTINGS,
    Code.SIGN_IN_MECHANISM: Blame.SETTINGS,
    Code.SIGN_IN_REQUIRED: Blame.SETTINGS,
    Code.SENDER_REFUSED: Blame.SETTINGS,
    Code.QUOTA_EXHAUSTED: Blame.SETTINGS,
    Code.ACCOUNT_SUSPENDED: Blame.SETTINGS,
    Code.RECONNECTION_NEEDED: Blame.SETTINGS,
    Code.ADMIN_CONSENT_NEEDED: Blame.SETTINGS,
    Code.PERMISSION_MISSING: Blame.SETTINGS,
    Code.ACCESS_POLICY: Blame.SETTINGS,
    Code.MAILBOX_UNAVAILABLE: Blame.SETTINGS,
    Code.APP_CREDENTIALS: Blame.SETTINGS,
    # ours
    Code.PLATFORM_CREDENTIALS: Blame.PLATFORM,
    Code.PLATFORM_SETTINGS: Blame.PLATFORM,
    Code.PLATFORM_QUOTA: Blame.PLATFORM,
    Code.STORE_UNAVAILABLE: Blame.PLATFORM,
    # nobody was asked
    Code.NO_CONNECTION_FREE: Blame.NOTHING,
    Code.INTERNAL_ERROR: Blame.NOTHING,
}
"""For errors whose class does not say it."""

OF_THE_ENDPOINT: Final = frozenset(code for code, blame in BY_CODE.items() if blame is Blame.ENDPOINT)
"""Faults that are a server's by their nature."""

CERTAIN: Final = frozenset({Code.PLATFORM_CREDENTIALS, Code.PLATFORM_QUOTA})
"""Faults of the platform's own that one mail proves for all; any other may be one account's only (a token that cannot
be opened, say)."""

_SLOW: Final = frozenset({Code.CONNECT_TIMEOUT, Code.REPLY_TIMEOUT})
_SLOW_UNKNOWN: Final = frozenset({"no reply", "deadline"})

SILENT: Final = frozenset(
    {Code.NAME_NOT_FOUND, Code.CONNECT_FAILED, Code.CONNECT_TIMEOUT, Code.TLS_FAILED}
    | {Code.CONNECTION_LOST, Code.REPLY_TIMEOUT}
)
"""What would be met as well if our own network were down."""

REACHED: Final = frozenset({Code.ENDPOINT_UNAVAILABLE, Code.TLS_UNAVAILABLE})
"""Faults of a server that prove our own network."""

SPOKEN: Final = frozenset(
    {Code.TLS_NOT_OFFERED, Code.CERTIFICATE_INVALID, Code.CERTIFICATE_SELF_SIGNED, Code.CERTIFICATE_EXPIRED}
    | {Code.CERTIFICATE_NAME_MISMATCH, Code.SIGN_IN_REFUSED, Code.SIGN_IN_MECHANISM, Code.SIGN_IN_REQUIRED}
    | {Code.SENDER_REFUSED, Code.QUOTA_EXHAUSTED, Code.ACCOUNT_SUSPENDED, Code.ACCESS_POLICY, Code.MAILBOX_UNAVAILABLE}
)
"""What a server says to an account; whatever is wrong with that, the server is there."""

STOPPED: Final = "stopped"
"""The detail of an outcome that is unknown because we ended the send."""


def attribute(error: DeliveryError | None, *, platform: bool) -> Blame:
    """What ``error`` (``None``: the mail was taken) counts against; ``platform``: it went by the platform's relay."""
    if error is None:
        return Blame.ANSWERED
    match error:
        case AccountProblem() | PlatformProblem() if error.code is Code.RELAYING_DENIED:
            return Blame.ANSWERED  # it may be about this recipient only
        case PlatformProblem():
            return Blame.PLATFORM
        case AccountProblem():
            return Blame.PLATFORM if platform else Blame.SETTINGS
        case Permanent() | RecipientDeferred():
            return Blame.ANSWERED
        case Throttled():
            return Blame.NOTHING if error.code is Code.NO_CONNECTION_FREE else Blame.ANSWERED
        case OutcomeUnknown() if error.detail == STOPPED:
            return Blame.NOTHING
    return BY_CODE[error.code]


def no_such_name(error: DeliveryError) -> bool:
    """Whether a name server said that there is no such name: an answer, and nothing that is wrong with ours."""
    return error.code is Code.NAME_NOT_FOUND and not isinstance(error, NameServerSilent)


def slow(error: DeliveryError) -> bool:
    """Whether it takes long to be met, so that fewer are enough."""
    return error.code in _SLOW or (error.code is Code.OUTCOME_UNKNOWN and error.detail in _SLOW_UNKNOWN)
