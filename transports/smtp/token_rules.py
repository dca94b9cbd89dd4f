"""What replies to XOAUTH2 mean, as data: read before the general table, in the same way (``reply_rules``).

There is no password that a person could correct. Where a token is refused, a person connects the account again; where
the mailbox or the organisation does not allow SMTP at all, that does not help.
"""

from transports.errors import AccountProblem, Code
from transports.smtp.reply_rules import AUTH, BASIC_AUTH, ENHANCED, EXCHANGE_AUTH, SASL, Rule

XOAUTH2 = "Exchange Online: learn.microsoft.com how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth"
WEB_LOGIN = "Gmail: support.google.com/mail/answer/78754 (5.7.14)"

TOKEN_RULES: tuple[Rule, ...] = (
    Rule(
        AUTH,
        "535",
        "7.139",
        r"credentials were incorrect",
        AccountProblem,
        Code.RECONNECTION_NEEDED,
        None,
        XOAUTH2,
    ),
    Rule(AUTH, "5", "7.139", "", AccountProblem, Code.ACCESS_POLICY, None, EXCHANGE_AUTH),
    Rule(AUTH, "5", "7.57", "", AccountProblem, Code.ACCESS_POLICY, None, EXCHANGE_AUTH),
    Rule(AUTH, "5", "7.30", "", AccountProblem, Code.ACCESS_POLICY, None, BASIC_AUTH),
    Rule(AUTH, "530", "", "", AccountProblem, Code.RECONNECTION_NEEDED, None, SASL),
    Rule(AUTH, "534", "", "", AccountProblem, Code.RECONNECTION_NEEDED, None, f"{SASL}; {WEB_LOGIN}"),
    # a token for another audience (Graph's) or mailbox is told apart from a dead one by nothing
    Rule(AUTH, "535", "", "", AccountProblem, Code.RECONNECTION_NEEDED, None, f"{SASL}; {XOAUTH2} (5.7.3)"),
    Rule(AUTH, "504", "", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, SASL),
    Rule(AUTH, "538", "", "", AccountProblem, Code.SIGN_IN_MECHANISM, None, SASL),
    Rule(AUTH, "5", "7.", "", AccountProblem, Code.ACCESS_POLICY, None, f"{ENHANCED}: policy"),
)

SIGNED_IN: dict[Code, Code] = {Code.SIGN_IN_REQUIRED: Code.ACCESS_POLICY, Code.SIGN_IN_MECHANISM: Code.ACCESS_POLICY}
"""What it means when a mail meets this after the token was taken: SMTP is not allowed (Exchange Online, 5.7.57)."""
