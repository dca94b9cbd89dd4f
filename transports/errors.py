"""Everything that can go wrong when a mail is handed to a provider.

::

    DeliveryError                 code (closed set), detail safe to store, transport
    ├─ Temporary                  may pass later
    │  ├─ Throttled               the provider asked us to slow down; never counted as an attempt
    │  ├─ Unreachable             nothing was handed over: no connection, or it broke before the final step
    │  └─ RecipientDeferred       one recipient, for now; the others go on
    ├─ Permanent                  fails the same way again
    │  ├─ RecipientRefused        one recipient, for good; the others go on
    │  └─ MessageRefused          this mail: too large, malformed, against a policy
    ├─ AccountProblem             the organisation's account or settings need a person
    ├─ PlatformProblem            our own credentials, egress or store: no organisation is to blame
    └─ OutcomeUnknown             the wire broke after hand-over: the mail may or may not have been accepted

No exception of a client library leaves a transport: each is translated once, by a table, with ``raise … from``.
"""

from enum import StrEnum


class Code(StrEnum):
    """Reason codes: a closed set, because they become metric labels and message headers.

    A code never carries data of a mail or a tenant.
    """

    # nothing was handed over
    NAME_NOT_FOUND = "name_not_found"
    CONNECT_FAILED = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECTION_LOST = "connection_lost"
    ENDPOINT_UNAVAILABLE = "endpoint_unavailable"
    TLS_UNAVAILABLE = "tls_unavailable"
    TLS_FAILED = "tls_failed"
    REPLY_TIMEOUT = "reply_timeout"
    NO_CONNECTION_FREE = "no_connection_free"
    # may pass
    TEMPORARY_FAILURE = "temporary_failure"
    SIGN_IN_UNAVAILABLE = "sign_in_unavailable"
    PROTOCOL_ERROR = "protocol_error"
    UNKNOWN_REPLY = "unknown_reply"
    THROTTLED = "throttled"
    TOO_MANY_CONNECTIONS = "too_many_connections"
    # recipients
    RECIPIENT_REFUSED = "recipient_refused"
    RECIPIENT_DEFERRED = "recipient_deferred"
    RECIPIENT_GREYLISTED = "recipient_greylisted"
    RECIPIENT_MAILBOX_FULL = "recipient_mailbox_full"
    TOO_MANY_RECIPIENTS = "too_many_recipients"
    SMTPUTF8_UNSUPPORTED = "smtputf8_unsupported"
    # the mail
    MESSAGE_TOO_LARGE = "message_too_large"
    MESSAGE_REFUSED = "message_refused"
    SENDER_UNAUTHENTICATED = "sender_unauthenticated"
    # the organisation's account or settings
    TLS_NOT_OFFERED = "tls_not_offered"
    CERTIFICATE_INVALID = "certificate_invalid"
    CERTIFICATE_SELF_SIGNED = "certificate_self_signed"
    CERTIFICATE_EXPIRED = "certificate_expired"
    CERTIFICATE_NAME_MISMATCH = "certificate_name_mismatch"
    ADDRESS_FORBIDDEN = "address_forbidden"
    PORT_FORBIDDEN = "port_forbidden"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGN_IN_MECHANISM = "sign_in_mechanism"
    SIGN_IN_REQUIRED = "sign_in_required"
    SENDER_REFUSED = "sender_refused"
    RELAYING_DENIED = "relaying_denied"
    QUOTA_EXHAUSTED = "quota_exhausted"
    ACCOUNT_SUSPENDED = "account_suspended"
    RECONNECTION_NEEDED = "reconnection_needed"
    ADMIN_CONSENT_NEEDED = "admin_consent_needed"
    PERMISSION_MISSING = "permission_missing"
    ACCESS_POLICY = "access_policy"
    MAILBOX_UNAVAILABLE = "mailbox_unavailable"
    APP_CREDENTIALS = "app_credentials"
    # ours
    PLATFORM_CREDENTIALS = "platform_credentials"
    PLATFORM_SETTINGS = "platform_settings"
    PLATFORM_QUOTA = "platform_quota"
    STORE_UNAVAILABLE = "store_unavailable"
    INTERNAL_ERROR = "internal_error"
    # the third outcome
    OUTCOME_UNKNOWN = "outcome_unknown"


class DeliveryError(Exception):
    """A mail, or one recipient of it, was not handed off.

    ``detail`` is safe to store and to show: numbers and words of ours (``"550 5.1.1"``), never a provider's text,
    an address or a secret. ``retry_after`` is in seconds and given only where the provider said so or the rule
    knows better than the general schedule.
    """

    def __init__(self, code: Code, detail: str = "", *, transport: str = "", retry_after: float | None = None) -> None:
        super().__init__(f"{code}: {detail}" if detail else str(code))
        self.code = code
        self.detail = detail
        self.transport = transport
        self.retry_after = retry_after


class Temporary(DeliveryError):
    """It may pass later; the retry schedule applies."""


class Throttled(Temporary):
    """The provider asked us to slow down; waiting for it never counts as an attempt."""


class Unreachable(Temporary):
    """Nothing was handed over: there was no connection, or it broke before the final step."""


class NameServerSilent(Unreachable):
    """Whether there is such a name could not be found out; says nothing of the name."""


class RecipientDeferred(Temporary):
    """One recipient was put off; only this one is tried again."""


class Permanent(DeliveryError):
    """It fails the same way again; a dead letter."""


class RecipientRefused(Permanent):
    """One recipient was refused for good; the others go on."""


class MessageRefused(Permanent):
    """This mail was refused as a whole: too large, malformed or against a policy."""


class AccountProblem(DeliveryError):
    """The organisation's account or settings need a person; its events are parked, not lost.

    ``retry_after`` is given where the trouble is known to heal by itself (a daily quota).
    """


class PlatformProblem(DeliveryError):
    """Our own credentials, egress or store fail; no organisation is to blame and none is suspended."""


class OutcomeUnknown(DeliveryError):
    """The wire broke after the mail was handed over; it may or may not have been accepted (RFC 1047)."""
