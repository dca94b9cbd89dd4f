"""What replies mean, as data: which phase, code, enhanced code and text lead to which error. No logic.

Read from the top, the first row that fits decides; special cases stand before general ones. ``code`` is a number or a
class (``"5"``); ``enhanced`` is ``subject.detail`` (the class digit is the basic code's, which wins when the two
disagree), ``"7."`` for a whole subject or ``""`` for any; ``text`` is a pattern searched in the reply's lower-case
text, for providers that put different causes under one number. ``source`` says where the row comes from.
"""

from dataclasses import dataclass

from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    RecipientDeferred,
    RecipientRefused,
    Temporary,
    Throttled,
    Unreachable,
)
from transports.smtp.phases import Phase

MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. ``retry_after`` is in seconds; None leaves it to the general schedule."""

    phases: frozenset[Phase]
    code: str
    enhanced: str
    text: str
    error: type[DeliveryError]
    reason: Code
    retry_after: float | None
    source: str


def _at(*phases: Phase) -> frozenset[Phase]:
    return frozenset(phases)


ANY = frozenset(Phase)
OPENING = _at(Phase.GREETING, Phase.EHLO)
# The library sends STARTTLS and shakes hands in one call: a reply in phase TLS is the one to STARTTLS.
STARTTLS = _at(Phase.STARTTLS, Phase.TLS)
AUTH = _at(Phase.AUTH)
MAIL = _at(Phase.MAIL)
RCPT = _at(Phase.RCPT)
DATA = _at(Phase.DATA)
CONTENT = _at(Phase.DATA, Phase.BODY)
ENVELOPE = _at(Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.BODY)
SENDER = _at(Phase.MAIL, Phase.DATA, Phase.BODY)

EXCHANGE = "Exchange Online: learn.microsoft.com smtp-submission-improvements, techcommunity 607825"
EXCHANGE_AUTH = "Exchange Online: SmtpClientAuthenticationDisabled in Set-TransportConfig and Set-CASMailbox"
BASIC_AUTH = "Exchange Online without basic authentication: message center MC786329"
GMAIL = "Gmail: support.google.com/a/answer/3726730"
SASL = "RFC 4954 §4.7 and §6"
CODES = "RFC 5321 §4.2.3"
FIELD = "zone-mta config/bounces.txt"
RETRIED = "EmailEngine lib/delivery-error.js keeps 503 retryable"
GREYLIST = "RFC 6647 §5.1; postgrey and milter-greylist in the field"
NOBODY = "RFC 5321 §3.3: no recipient was accepted"
# Only where a line begins: what a reply repeats of a recipient stands in brackets or quotes.
SENDER_AT_RCPT = r"(?m)^(?:[245]\.\d{1,3}\.\d{1,3})?[ :]*sender (?:address rejected|verify failed)\b"
DELAYED = "Postfix smtpd_delay_reject and Exim judge the sender at RCPT"
BLOCKED = r"spamhaus|block ?list|blacklist|blocked using"
ENHANCED = "RFC 3463 and the IANA registry of RFC 5248"

RULES: tuple[Rule, ...] = (
    # too many connections: the pool makes itself smaller
    Rule(OPENING | AUTH | SENDER, "432", "3.2", "", Throttled, Code.TOO_MANY_CONNECTIONS, MINUTE, EXCHANGE),
    Rule(
        ENVELOPE,
        "4",
        "",
        r"(?:thread|connections?) limit exceeded",
        Throttled,
        Code.TOO_MANY_CONNECTIONS,
        MINUTE,
        EXCHANGE,
    ),
    Rule(
        OPENING | AUTH | MAIL,
        "421",
        "",
        r"too many (?:concurrent |simultaneous )?(?:smtp )?(?:connections|sessions)",
        Throttled,
        Code.TOO_MANY_CONNECTIONS,
        MINUTE,
        "Postfix smtpd(8) 421 4.7.0 too many connections; Exchange 4.3.2",
    ),
    Rule(OPENING | AUTH | MAIL, "421", "3.2", "", Throttled, Code.TOO_MANY_CONNECTIONS, MINUTE, EXCHANGE),
    # quotas that heal by themselves although the number says "for good"
    Rule(ENVELOPE, "550", "4.5", "", AccountProblem, Code.QUOTA_EXHAUSTED, DAY, f"{GMAIL}: daily quota"),
    Rule(ENVELOPE, "550", "7.236", "", AccountProblem, Code.QUOTA_EXHAUSTED, DAY, "MOERA limit: techzine.eu 134017"),
    Rule(ENVELOPE, "554", "2.252", "", AccountProblem, Code.SENDER_REFUSED, None, "Exchange SendAsDenied"),
    Rule(ENVELOPE, "554", "", r"sendasdenied", AccountProblem, Code.SENDER_REFUSED, None, "Exchange SendAsDenied"),
    Rule(ENVELOPE, "554", "2.0", r"storedrv", AccountProblem, Code.QUOTA_EXHAUSTED, HOUR, EXCHANGE),
    Rule(
        SENDER,
        "554",
        "2.2",
        "",
        AccountProblem,
        Code.QUOTA_EXHAUSTED,
        HOUR,
        f"{EXCHANGE}: own mailbox full",
    ),
    # opening the connection: the endpoint, never the mail
    Rule(OPENING, "4", "", "", Unreachable, Code.ENDPOINT_UNAVAILABLE, None, f"{CODES} (421)"),
    Rule(OPENING, "5", "", "", Unreachable, Code.ENDPOINT_UNAVAILABLE, None, "RFC 5321 §3.1 (554), RFC 7504 (521)"),
    Rule(STARTTLS, "4", "", "", Unreachable, Code.TLS_UNAVAILABLE, None, "RFC 3207 §4 (454)"),
    Rule(STARTTLS, "5", "", "", AccountProblem, Code.TLS_NOT_OFFERED, None, "RFC 3207 §4: never go on without"),
    # signing in
    Rule(AUTH, "454", "7.0", r"too many", Throttled, Code.THROTTLED, 5 * MINUTE, GMAIL),
    Rule(AUTH, "4", "", "", Temporary, Code.SIGN_IN_UNAVAILABLE, None, f"{SASL} (432, 454); 421"),
    Rule(
        AUTH, "535", "7.139", r"credentials were incorrect", AccountProblem, Code.SIGN_IN_REFUSED, None, EXCHANGE_AUTH
    ),
    Rule(AUTH, "535", "7.139", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, EXCHANGE_AUTH),
    Rule(AUTH, "5", "7.30", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, BASIC_AUTH),
    Rule(AUTH, "5", "7.57", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, EXCHANGE_AUTH),
    Rule(AUTH, "530", "", "", AccountProblem, Code.SIGN_IN_REQUIRED, None, SASL),
    Rule(AUTH, "534", "", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, f"{SASL}; Gmail 5.7.9 app password"),
    Rule(AUTH, "535", "", "", AccountProblem, Code.SIGN_IN_REFUSED, None, SASL),
    Rule(AUTH, "504", "", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, f"{SASL}: 5.7.4, 5.5.4"),
    Rule(AUTH, "538", "", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, SASL),
    Rule(AUTH, "5", "7.", "", AccountProblem, Code.SIGN_IN_REFUSED, None, f"{ENHANCED}: policy"),
    Rule(AUTH, "5", "", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, f"{SASL} (500, 501, 504): not understood"),
    # blame on the account in any part of the envelope
    Rule(ENVELOPE, "530", "", "", AccountProblem, Code.SIGN_IN_REQUIRED, None, SASL),
    Rule(ENVELOPE, "5", "7.57", "", AccountProblem, Code.SIGN_IN_REQUIRED, None, EXCHANGE_AUTH),
    Rule(ENVELOPE, "5", "7.30", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, BASIC_AUTH),
    Rule(ENVELOPE, "5", "7.60", "", AccountProblem, Code.SENDER_REFUSED, None, "Exchange: may not send as this sender"),
    Rule(ENVELOPE, "5", "7.26", "", MessageRefused, Code.SENDER_UNAUTHENTICATED, None, "RFC 7372 (X.7.26)"),
    Rule(ENVELOPE, "5", "7.515", "", MessageRefused, Code.SENDER_UNAUTHENTICATED, None, "Outlook.com for bulk senders"),
    # blocklists lift; zone-mta defers them too
    Rule(RCPT, "5", "", BLOCKED, RecipientDeferred, Code.TEMPORARY_FAILURE, HOUR, FIELD),
    Rule(SENDER, "5", "", BLOCKED, Temporary, Code.TEMPORARY_FAILURE, HOUR, FIELD),
    # a sender judged at the first recipient
    Rule(RCPT, "4", "", SENDER_AT_RCPT, Temporary, Code.TEMPORARY_FAILURE, None, DELAYED),
    Rule(RCPT, "5", "", SENDER_AT_RCPT, AccountProblem, Code.SENDER_REFUSED, None, DELAYED),
    Rule(RCPT, "5", "1.7", "", AccountProblem, Code.SENDER_REFUSED, None, f"{ENHANCED}: the sender's syntax"),
    Rule(RCPT, "5", "1.8", "", AccountProblem, Code.SENDER_REFUSED, None, f"{ENHANCED}: the sender's domain"),
    # slow down
    Rule(SENDER | RCPT, "421", "7.", "", Throttled, Code.THROTTLED, None, GMAIL),
    Rule(SENDER, "450", "2.1", "", Throttled, Code.THROTTLED, 15 * MINUTE, GMAIL),
    Rule(SENDER, "4", "7.28", "", Throttled, Code.THROTTLED, None, "Gmail rate of mail; RFC 5248 registry"),
    Rule(
        SENDER,
        "4",
        "",
        r"rate limit|throttl|too many messages|sending too fast",
        Throttled,
        Code.THROTTLED,
        None,
        FIELD,
    ),
    Rule(SENDER | RCPT, "421", "", "", Unreachable, Code.ENDPOINT_UNAVAILABLE, None, CODES),
    # the sender
    Rule(MAIL, "552", "", "", MessageRefused, Code.MESSAGE_TOO_LARGE, None, "RFC 1870 §6.1"),
    Rule(MAIL, "5", "3.4", "", MessageRefused, Code.MESSAGE_TOO_LARGE, None, ENHANCED),
    Rule(MAIL, "5", "2.3", "", MessageRefused, Code.MESSAGE_TOO_LARGE, None, ENHANCED),
    Rule(MAIL, "500", "", "", Temporary, Code.PROTOCOL_ERROR, None, CODES),
    Rule(MAIL, "502", "", "", Temporary, Code.PROTOCOL_ERROR, None, CODES),
    Rule(MAIL, "503", "", "", Temporary, Code.PROTOCOL_ERROR, None, RETRIED),
    Rule(MAIL, "504", "", "", Temporary, Code.PROTOCOL_ERROR, None, CODES),
    Rule(MAIL, "555", "", "", Temporary, Code.PROTOCOL_ERROR, None, CODES),
    Rule(MAIL, "5", "", "", AccountProblem, Code.SENDER_REFUSED, None, "RFC 5321 §4.3.2: of the sender"),
    Rule(MAIL, "4", "", "", Temporary, Code.TEMPORARY_FAILURE, None, CODES),
    # the recipients
    Rule(RCPT, "452", "5.3", "", RecipientDeferred, Code.TOO_MANY_RECIPIENTS, None, "RFC 5321 §4.5.3.1.10"),
    Rule(RCPT, "552", "5.3", "", RecipientDeferred, Code.TOO_MANY_RECIPIENTS, None, "RFC 5321 §4.5.3.1.10"),
    Rule(RCPT, "452", "2.2", "", RecipientDeferred, Code.RECIPIENT_MAILBOX_FULL, HOUR, ENHANCED),
    Rule(RCPT, "552", "2.2", "", RecipientDeferred, Code.RECIPIENT_MAILBOX_FULL, HOUR, ENHANCED),
    Rule(RCPT, "552", "3.4", "", RecipientRefused, Code.MESSAGE_TOO_LARGE, None, ENHANCED),
    Rule(RCPT, "552", "2.3", "", RecipientRefused, Code.MESSAGE_TOO_LARGE, None, ENHANCED),
    Rule(RCPT, "452", "3.", "", RecipientDeferred, Code.RECIPIENT_DEFERRED, None, ENHANCED),
    Rule(RCPT, "452", "", "", RecipientDeferred, Code.TOO_MANY_RECIPIENTS, None, "RFC 5321 §4.5.3.1.10"),
    Rule(RCPT, "552", "", "", RecipientDeferred, Code.TOO_MANY_RECIPIENTS, None, "RFC 5321 §4.5.3.1.10: as 452"),
    Rule(RCPT, "4", "", r"gr[ae]y-?list", RecipientDeferred, Code.RECIPIENT_GREYLISTED, 5 * MINUTE, "RFC 6647 §5.1"),
    Rule(RCPT, "450", "7.1", "", RecipientDeferred, Code.RECIPIENT_GREYLISTED, 5 * MINUTE, GREYLIST),
    Rule(RCPT, "451", "7.1", "", RecipientDeferred, Code.RECIPIENT_GREYLISTED, 5 * MINUTE, GREYLIST),
    Rule(RCPT, "450", "2.0", "", RecipientDeferred, Code.RECIPIENT_GREYLISTED, 5 * MINUTE, GREYLIST),
    Rule(RCPT, "450", "2.1", "", RecipientDeferred, Code.RECIPIENT_DEFERRED, 15 * MINUTE, GMAIL),
    Rule(RCPT, "4", "", "", RecipientDeferred, Code.RECIPIENT_DEFERRED, None, CODES),
    Rule(RCPT, "5", "7.54", "", RecipientRefused, Code.RELAYING_DENIED, None, "Exchange: unable to relay"),
    Rule(RCPT, "5", "7.64", "", RecipientRefused, Code.RELAYING_DENIED, None, "Exchange: relay access denied"),
    Rule(RCPT, "5", "1.", "", RecipientRefused, Code.RECIPIENT_REFUSED, None, f"{ENHANCED}: an address"),
    Rule(
        RCPT,
        "5",
        "",
        r"\brelay(?:ing)? (?:access )?(?:is )?(?:denied|not (?:allowed|permitted)|prohibited)"
        r"|(?:unable|not permitted) to relay$",
        RecipientRefused,
        Code.RELAYING_DENIED,
        None,
        "RFC 5321 §3.6.2: relaying declined by policy (550)",
    ),
    Rule(RCPT, "500", "", "", Temporary, Code.PROTOCOL_ERROR, None, CODES),
    Rule(RCPT, "503", "", "", Temporary, Code.PROTOCOL_ERROR, None, RETRIED),
    Rule(RCPT, "5", "", "", RecipientRefused, Code.RECIPIENT_REFUSED, None, CODES),
    # the content, before and after it was given
    Rule(DATA, "503", "", "", Temporary, Code.PROTOCOL_ERROR, None, NOBODY),
    Rule(DATA, "554", "5.1", "", Temporary, Code.PROTOCOL_ERROR, None, NOBODY),
    Rule(DATA, "5", "", r"no valid recipients", Temporary, Code.PROTOCOL_ERROR, None, NOBODY),
    Rule(CONTENT, "552", "7.", "", MessageRefused, Code.MESSAGE_REFUSED, None, f"{GMAIL}: content"),
    Rule(CONTENT, "552", "2.2", "", Temporary, Code.RECIPIENT_MAILBOX_FULL, HOUR, ENHANCED),
    Rule(CONTENT, "552", "", "", MessageRefused, Code.MESSAGE_TOO_LARGE, None, "RFC 1870 §6.3"),
    Rule(CONTENT, "5", "3.4", "", MessageRefused, Code.MESSAGE_TOO_LARGE, None, ENHANCED),
    Rule(CONTENT, "5", "2.3", "", MessageRefused, Code.MESSAGE_TOO_LARGE, None, ENHANCED),
    Rule(CONTENT, "5", "", "", MessageRefused, Code.MESSAGE_REFUSED, None, CODES),
    Rule(CONTENT, "4", "", "", Temporary, Code.TEMPORARY_FAILURE, None, f"{CODES}: nothing was accepted"),
)

KNOWN: frozenset[int] = frozenset(
    {421, 450, 451, 452, 455, 500, 501, 502, 503, 504, 550, 551, 552, 553, 554, 555}  # RFC 5321 §4.2.3
    | {432, 454, 530, 534, 535, 538}  # RFC 4954 §4.7, §6; RFC 3207 §4
    | {521, 556}  # RFC 7504
    | {422, 431, 441, 442, 446, 447, 449, 471, 541, 571}  # in the field: zone-mta config/bounces.txt
)
"""Codes whose meaning is agreed. Any other 5yz is not final: ``Temporary(UNKNOWN_REPLY)``, seen by an alert."""
