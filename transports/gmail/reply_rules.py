"""What refusals of the Gmail API mean, as data: which status, reason and text lead to which error. No logic.

Read from the top, the first row that fits decides; special cases stand before general ones. No ``statuses`` fit any.
``reasons`` are words the refusal gives for itself (``errors[].reason``, ``details[].reason``, ``status``), of which one
must be there, or none for any; case does not matter. ``text`` is a pattern searched in the message in lower case, where
Google puts different causes under one word. ``retry_after`` in seconds is used where the refusal names no time.
Nothing is decided by the status 403 alone: it stands for quotas and for permissions.
"""

from dataclasses import dataclass

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

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One row."""

    statuses: frozenset[int]
    reasons: frozenset[str]
    text: str
    error: type[DeliveryError]
    code: Code
    retry_after: float | None
    source: str


def _row(
    statuses: tuple[int, ...],
    reasons: str,
    error: type[DeliveryError],
    code: Code,
    source: str,
    *,
    text: str = "",
    retry_after: float | None = None,
) -> Rule:
    words = frozenset(reasons.lower().split())
    return Rule(frozenset(statuses), words, text, error, code, retry_after, source)


ANY: tuple[int, ...] = ()
QUOTA = (403, 429)
RATES = "rateLimitExceeded userRateLimitExceeded RATE_LIMIT_EXCEEDED RESOURCE_EXHAUSTED"

GUIDE = "developers.google.com/workspace/gmail/api/guides/handle-errors"
QUOTAS = "developers.google.com/workspace/gmail/api/reference/quota"
SENDING = "taers232c/GAMADV-XTD3#337, gmail-tester#23: the time is in the text, and trying early puts it off"
RATES_AS_403 = "got-your-back#309, gmail-cleaner#5"
ERROR_INFO = "google.api.ErrorReason (googleapis, error_reason.proto)"
SERVICE_OFF = "support.google.com/a/answer/182442: Gmail is off for this user"
FRONT_END = "RFC 9110 §15.5.9: the request did not come in full"
SIZES = "the method's maxSize; RFC 9110 §15.5.14"

RULES: tuple[Rule, ...] = (
    # quotas of the mailbox
    _row(QUOTA, "", Throttled, Code.THROTTLED, SENDING, text=r"\(mail sending\)", retry_after=HOUR),
    _row(QUOTA, "", Throttled, Code.THROTTLED, SENDING, text=r"retry after \d", retry_after=HOUR),
    _row(QUOTA, "", Throttled, Code.TOO_MANY_CONNECTIONS, GUIDE, text=r"too many concurrent requests", retry_after=5.0),
    _row(QUOTA, "userRateLimitExceeded", Throttled, Code.THROTTLED, f"{GUIDE}; {RATES_AS_403}", retry_after=MINUTE),
    # quotas of the app's whole project: they stop every organisation
    _row(ANY, "dailyLimitExceeded", PlatformProblem, Code.PLATFORM_QUOTA, GUIDE, retry_after=HOUR),
    _row(
        QUOTA,
        RATES,
        PlatformProblem,
        Code.PLATFORM_QUOTA,
        f"{QUOTAS}: per minute and project",
        text=r"quota exceeded for quota metric(?!.*per user)",
        retry_after=MINUTE,
    ),
    # quotas of the mailbox, in general
    _row(QUOTA, RATES, Throttled, Code.THROTTLED, f"{GUIDE}; {RATES_AS_403}", retry_after=MINUTE),
    _row((429,), "", Throttled, Code.THROTTLED, GUIDE, retry_after=MINUTE),
    # the project
    _row(ANY, "accessNotConfigured SERVICE_DISABLED", PlatformProblem, Code.PLATFORM_SETTINGS, ERROR_INFO),
    _row((403,), "", PlatformProblem, Code.PLATFORM_SETTINGS, ERROR_INFO, text=r"has not been used in project"),
    # the account
    _row(
        (400, 401, 403),
        "",
        AccountProblem,
        Code.ACCOUNT_SUSPENDED,
        "support.google.com/a/answer/33312: suspended users",
        text=r"\b(?:account|user) (?:has been |is |was )?(?:disabled|suspended)\b",
    ),
    _row((401,), "", AccountProblem, Code.RECONNECTION_NEEDED, f"{GUIDE}: authError"),
    _row(ANY, "domainPolicy", AccountProblem, Code.ACCESS_POLICY, GUIDE),
    _row(
        ANY,
        "insufficientPermissions ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        AccountProblem,
        Code.PERMISSION_MISSING,
        f"{GUIDE}; {ERROR_INFO}",
    ),
    _row((403,), "forbidden", AccountProblem, Code.PERMISSION_MISSING, "Delegation denied for …: a service account"),
    _row(ANY, "failedPrecondition FAILED_PRECONDITION", AccountProblem, Code.MAILBOX_UNAVAILABLE, SERVICE_OFF),
    _row((400, 403), "", AccountProblem, Code.MAILBOX_UNAVAILABLE, SERVICE_OFF, text=r"mail service not enabled"),
    # the mail
    _row(
        (400,),
        "",
        MessageRefused,
        Code.RECIPIENT_REFUSED,
        f"{GUIDE}: badRequest",
        text=r"recipient address required|invalid (?:to|cc|bcc) header",
    ),
    _row((413,), "", MessageRefused, Code.MESSAGE_TOO_LARGE, SIZES),
    _row((400,), "", MessageRefused, Code.MESSAGE_TOO_LARGE, SIZES, text=r"too large|exceeds the (?:maximum|limit)"),
    _row(
        (400,),
        "invalidArgument badRequest INVALID_ARGUMENT",
        MessageRefused,
        Code.MESSAGE_REFUSED,
        f"{GUIDE}: badRequest",
    ),
    _row((400,), "", MessageRefused, Code.MESSAGE_REFUSED, GUIDE),
    # it did not come in full, so it was not acted upon
    _row((408,), "", Temporary, Code.TEMPORARY_FAILURE, FRONT_END),
    # the mail may be on its way
    _row((500, 502, 503, 504), "", OutcomeUnknown, Code.OUTCOME_UNKNOWN, f"{GUIDE}: backendError"),
)

OWN_APP: dict[Code, tuple[type[DeliveryError], Code]] = {
    Code.PLATFORM_QUOTA: (AccountProblem, Code.QUOTA_EXHAUSTED),
    Code.PLATFORM_SETTINGS: (AccountProblem, Code.APP_CREDENTIALS),
}
"""What is the platform's fault with its own app is the organisation's where the app is the organisation's."""

LONG = 600.0
"""Seconds beyond which a wait of the mailbox is no slowing down but a quota that is used up.

A process that is told to wait knows it, the other replicas do not: each would try once before the time, and Google adds
to the wait for that. A quota suspends the account for all replicas until the time named, which nobody does for seconds.
"""
