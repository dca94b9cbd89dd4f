"""Advice on handing mail to a provider by a connected account: what keeps it from there. Data; see ``advice_rules``."""

from typing import Final

from config.advice_rule import Provider, Rule
from config.languages import N_
from transports.errors import Code

_BOTH: Final = (Provider.MICROSOFT_ACCOUNT, Provider.GOOGLE_ACCOUNT)
_UNREACHABLE: Final = (
    *(Code.NAME_NOT_FOUND, Code.ADDRESS_FORBIDDEN, Code.CONNECT_FAILED, Code.CONNECT_TIMEOUT, Code.CONNECTION_LOST),
    *(Code.REPLY_TIMEOUT, Code.ENDPOINT_UNAVAILABLE, Code.TLS_UNAVAILABLE, Code.TLS_NOT_OFFERED, Code.TLS_FAILED),
    *(Code.CERTIFICATE_INVALID, Code.CERTIFICATE_SELF_SIGNED, Code.CERTIFICATE_EXPIRED),
    *(Code.CERTIFICATE_NAME_MISMATCH, Code.PORT_FORBIDDEN, Code.PROTOCOL_ERROR),
)

RULES: Final = (
    Rule(
        (Code.SIGN_IN_UNAVAILABLE,),
        N_("The provider’s sign-in service does not answer at the moment. Your settings are not at fault."),
        N_("Nothing has to be changed. Test again in a quarter of an hour; mail that waits is sent by itself."),
        providers=_BOTH,
    ),
    Rule(
        _UNREACHABLE,
        N_("The provider could not be reached from the platform. Your settings are not at fault."),
        N_("Nothing has to be changed. Test again in a few minutes. If it stays so, tell the platform’s support."),
        providers=_BOTH,
    ),
    Rule(
        (Code.TEMPORARY_FAILURE, Code.UNKNOWN_REPLY, Code.RECIPIENT_DEFERRED),
        N_("The provider reports a problem that should pass by itself. Your settings are not at fault."),
        N_("Nothing has to be changed. Test again in a few minutes. If it stays so, tell the platform’s support."),
        providers=_BOTH,
    ),
    Rule(
        (Code.THROTTLED, Code.TOO_MANY_CONNECTIONS, Code.TOO_MANY_RECIPIENTS),
        N_("The provider asks to send more slowly from this mailbox."),
        N_(
            "Nothing has to be changed: mail that waits is sent by itself. If it happens often, use a mailbox that "
            "nothing else sends from."
        ),
        providers=_BOTH,
    ),
    Rule(
        (Code.RECIPIENT_REFUSED, Code.RELAYING_DENIED),
        N_("The provider refused the address that the test mail goes to."),
        N_(
            "Check that address. If it is right, ask the administrator of the mail service whether this account may "
            "send to addresses outside your organisation."
        ),
        providers=_BOTH,
    ),
    Rule(
        (Code.MESSAGE_REFUSED, Code.MESSAGE_TOO_LARGE),
        N_("The provider took sender and recipient, but refused the mail itself."),
        N_("Ask the administrator of the mail service whether a rule or a filter refused it, and to let it pass."),
        providers=_BOTH,
    ),
    Rule(
        (Code.OUTCOME_UNKNOWN,),
        N_(
            "The connection broke after the test mail had been handed over, so that nobody knows whether the provider "
            "took it."
        ),
        N_(
            "See whether the mail has arrived, and test again in any case: settings are put in use only after a test "
            "whose end is known."
        ),
        providers=_BOTH,
    ),
)
