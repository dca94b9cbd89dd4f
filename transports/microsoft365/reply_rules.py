"""What Graph's errors mean, as data: which status and code lead to which error. No logic.

Read from the top, the first row that fits decides; special cases stand before general ones. No ``statuses`` fit any
status. ``code`` is one of the error's codes (``error.code`` and every nested ``innerError.code``) in lower case, with a
final ``*`` a beginning of one, or nothing for any. ``retry_after`` is used where the reply has none. Texts are never
looked at: Microsoft changes them (Graph, "Microsoft Graph error responses").
"""

from dataclasses import dataclass

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    Temporary,
    Throttled,
)

HOUR = 3600.0
PAUSE = 30.0
"""Seconds for being asked to slow down without being told how long: about as long as Graph mostly names."""


class PropertiesRefused(MessageRefused):
    """A mail with extended properties was refused for having them, or so it seems."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row."""

    statuses: frozenset[int]
    code: str
    error: type[DeliveryError]
    reason: Code
    retry_after: float | None
    source: str


def _row(
    statuses: int | tuple[int, ...],
    code: str,
    error: type[DeliveryError],
    reason: Code,
    source: str,
    retry_after: float | None = None,
) -> Rule:
    given = (statuses,) if isinstance(statuses, int) else statuses
    return Rule(frozenset(given), code, error, reason, retry_after, source)


ANY: tuple[int, ...] = ()
ERRORS = "Graph: Microsoft Graph error responses and resource types"
THROTTLING = "Graph: Microsoft Graph throttling guidance"
SENDING = "Graph: user: sendMail"
SEND_AS = "Graph: Send Outlook messages from another user"
CLAIMS = "Entra: Claims challenges, claims requests and client capabilities"
SCOPING = "Graph: Limiting application permissions to specific Exchange mailboxes"
MAILBOX = "learn.microsoft.com KB 4462988; Q&A 1457213 (no licence)"
HEADERS = "learn.microsoft.com Q&A 762243 (names begin with x-, at most five)"
FIELD = "EmailEngine lib/email-client/outlook/graph-api.js"
UPLOADS = "Graph: attachment: createUploadSession"
EXCHANGE = "Exchange Web Services: ResponseCode"

RULES: tuple[Rule, ...] = (
    # slow down: any code, because the same ones come with other statuses for other reasons
    _row(429, "", Throttled, Code.THROTTLED, THROTTLING, PAUSE),
    _row(509, "", Throttled, Code.THROTTLED, f"{ERRORS}: bandwidth limit exceeded", PAUSE),
    # the grant, as the service sees it; a 401 is met with one new token before it gets here
    _row((401, 403), "insufficient_claims", AccountProblem, Code.ACCESS_POLICY, CLAIMS),
    _row(401, "", AccountProblem, Code.RECONNECTION_NEEDED, ERRORS),
    _row(ANY, "errorsendasdenied", AccountProblem, Code.SENDER_REFUSED, SEND_AS),
    # the mailbox; reported with 404, which says nothing about a URL here
    _row(ANY, "mailboxnotenabledforrestapi", AccountProblem, Code.MAILBOX_UNAVAILABLE, MAILBOX),
    _row(ANY, "mailboxnotsupportedforrestapi", AccountProblem, Code.MAILBOX_UNAVAILABLE, MAILBOX),
    _row(ANY, "errormailboxnotenabledforrestapi", AccountProblem, Code.MAILBOX_UNAVAILABLE, MAILBOX),
    _row(ANY, "resourcenotfound", AccountProblem, Code.MAILBOX_UNAVAILABLE, MAILBOX),
    _row(ANY, "request_resourcenotfound", AccountProblem, Code.MAILBOX_UNAVAILABLE, ERRORS),
    _row(ANY, "errorinvaliduser", AccountProblem, Code.MAILBOX_UNAVAILABLE, MAILBOX),
    _row(ANY, "extensionerror", AccountProblem, Code.MAILBOX_UNAVAILABLE, MAILBOX),
    # quotas and abuse: they heal after hours, or when somebody looks after them
    _row(ANY, "errorexceededmessagelimit", AccountProblem, Code.QUOTA_EXHAUSTED, EXCHANGE, HOUR),
    _row(ANY, "errormessagesubmissionblocked", AccountProblem, Code.ACCOUNT_SUSPENDED, EXCHANGE),
    _row(ANY, "erroraccountsuspend*", AccountProblem, Code.ACCOUNT_SUSPENDED, EXCHANGE),
    _row(ANY, "errorquotaexceeded", AccountProblem, Code.QUOTA_EXHAUSTED, FIELD, HOUR),
    _row(ANY, "quotalimitreached", AccountProblem, Code.QUOTA_EXHAUSTED, ERRORS, HOUR),
    _row(507, "", AccountProblem, Code.QUOTA_EXHAUSTED, f"{ERRORS}: insufficient storage", HOUR),
    # this mail
    _row(ANY, "errorinvalidrecipients", MessageRefused, Code.RECIPIENT_REFUSED, FIELD),
    _row(ANY, "errormessagesizeexceeded", MessageRefused, Code.MESSAGE_TOO_LARGE, FIELD),
    _row(ANY, "errorattachmentsizelimitexceeded", MessageRefused, Code.MESSAGE_TOO_LARGE, UPLOADS),
    _row(ANY, "errorattachmentsizeshouldnotbelessthanminimumsize", MessageRefused, Code.MESSAGE_REFUSED, UPLOADS),
    _row(413, "", MessageRefused, Code.MESSAGE_TOO_LARGE, f"{ERRORS}: request entity too large"),
    _row(ANY, "errormimecontentinvalid*", MessageRefused, Code.MESSAGE_REFUSED, SENDING),
    _row(ANY, "invalidinternetmessageheader*", MessageRefused, Code.MESSAGE_REFUSED, HEADERS),
    _row(400, "errorinvalidproperty*", PropertiesRefused, Code.MESSAGE_REFUSED, EXCHANGE),
    _row(400, "errorinvalidextendedproperty*", PropertiesRefused, Code.MESSAGE_REFUSED, EXCHANGE),
    _row(400, "errorproperty*", PropertiesRefused, Code.MESSAGE_REFUSED, EXCHANGE),
    _row(400, "errorunsupportedproperty*", PropertiesRefused, Code.MESSAGE_REFUSED, EXCHANGE),
    _row(400, "errorunsupportedmapiproperty*", PropertiesRefused, Code.MESSAGE_REFUSED, EXCHANGE),
    _row(400, "errorinvalididmalformed", MessageRefused, Code.MESSAGE_REFUSED, EXCHANGE),
    _row(400, "requestbodyread", MessageRefused, Code.MESSAGE_REFUSED, ERRORS),
    _row(415, "", MessageRefused, Code.MESSAGE_REFUSED, f"{ERRORS}: unsupported media type"),
    # busy
    _row(ANY, "applicationthrottled", Throttled, Code.THROTTLED, THROTTLING, PAUSE),
    _row(ANY, "toomanyrequests", Throttled, Code.THROTTLED, ERRORS, PAUSE),
    _row(ANY, "activitylimitreached", Throttled, Code.THROTTLED, ERRORS, PAUSE),
    _row(ANY, "errorserverbusy", Temporary, Code.TEMPORARY_FAILURE, EXCHANGE),
    _row(ANY, "errormailboxstoreunavailable", Temporary, Code.TEMPORARY_FAILURE, EXCHANGE),
    _row(ANY, "errortimeoutexpired", Temporary, Code.TEMPORARY_FAILURE, EXCHANGE),
    _row(ANY, "mailboxinfostale", Temporary, Code.TEMPORARY_FAILURE, ERRORS),
    _row(ANY, "servicenotavailable", Temporary, Code.TEMPORARY_FAILURE, ERRORS),
    # what is said in general comes last: a nested code knows better
    _row(ANY, "erroraccessdenied", AccountProblem, Code.PERMISSION_MISSING, SCOPING),
    _row(ANY, "accessdenied", AccountProblem, Code.PERMISSION_MISSING, ERRORS),
    _row(ANY, "authorization_requestdenied", AccountProblem, Code.PERMISSION_MISSING, ERRORS),
    _row(400, "badrequest", MessageRefused, Code.MESSAGE_REFUSED, ERRORS),
    _row(408, "", Temporary, Code.TEMPORARY_FAILURE, "RFC 9110 §15.5.9: the request did not come in full"),
    # the mail may be on its way: nothing but success says that it is not handed over twice
    _row(500, "", OutcomeUnknown, Code.OUTCOME_UNKNOWN, ERRORS),
    _row(502, "", OutcomeUnknown, Code.OUTCOME_UNKNOWN, ERRORS),
    # none of Exchange's own codes: it may come from what stands in front, which had passed the request on
    _row(503, "", OutcomeUnknown, Code.OUTCOME_UNKNOWN, "RFC 9110 §15.6.4; Graph's own have a code or Retry-After"),
    _row(504, "", OutcomeUnknown, Code.OUTCOME_UNKNOWN, ERRORS),
)
