"""What each failure means and what to do about it, as data: the whole table. No logic, no place for the texts' reader.

Read from the top, the first row that fits decides: special cases stand before general ones, and every code has a row
that fits always. The texts are for an administrator who is no expert of mail: no blame, and a next step that can be
taken. They name no address, and tell nothing about networks that a tenant may not see.
"""

from typing import Final

from config import (
    advice_rules_account,
    advice_rules_connected,
    advice_rules_connected_app,
    advice_rules_connected_mail,
    advice_rules_connection,
)
from config.advice_rule import Provider, Rule
from config.languages import N_
from transports.errors import Code

SETTINGS_CHANGED: Final = "settings_changed"
INTERRUPTED: Final = "interrupted"
PROBLEMS: Final = (SETTINGS_CHANGED, INTERRUPTED, str(Code.STORE_UNAVAILABLE), str(Code.INTERNAL_ERROR))
"""What can become of a whole trial besides the failure of one of its stages; the codes: after the last stage passed."""

_ASK_FOR_THE_LOG: Final = N_(
    "Test again in a few minutes. If it stays so, ask whoever runs the server what its log says about the time of the "
    "test; the number of its reply is shown with the result."
)
_LATER: Final = N_("Test again in a quarter of an hour. If it stays so, ask whoever runs the server for its limits.")

_MAIL: Final = (
    Rule(
        (Code.RECIPIENT_REFUSED,),
        N_("The server refuses to pass on mail from this sender to the address that the test mail goes to."),
        N_(
            "Check that the sender’s address belongs to the account that signs in; many servers look at it only here. "
            "If it does, ask whoever runs the server whether this account may send to any address."
        ),
        detail=r"5\d\d 5\.7\.",
    ),
    Rule(
        (Code.RECIPIENT_REFUSED,),
        N_("The server refused the address that the test mail goes to."),
        N_(
            "Check that address. If it is right, ask whoever runs the server whether it passes on mail to addresses "
            "outside its own domains."
        ),
    ),
    Rule(
        (Code.RECIPIENT_GREYLISTED,),
        N_(
            "The server asked to offer the mail to this recipient again a little later (“greylisting”). Your settings "
            "are not at fault."
        ),
        N_(
            "Nothing has to be changed: notifications are offered again by themselves. Test again in a quarter of an "
            "hour to get the test mail with its code."
        ),
    ),
    Rule(
        (Code.RECIPIENT_MAILBOX_FULL,),
        N_("The mailbox that the test mail goes to is full. Your settings are not at fault."),
        N_("Make room in that mailbox, then test again to get the test mail with its code."),
    ),
    Rule(
        (Code.RECIPIENT_DEFERRED,),
        N_("The server does not take mail for the address of the test mail at the moment."),
        N_(
            "Test again in a quarter of an hour. If it stays so, check that address, and ask whoever runs the server "
            "what its log says about the time of the test."
        ),
    ),
    Rule((Code.TOO_MANY_RECIPIENTS,), N_("The server takes no further recipient at the moment."), _LATER),
    Rule(
        (Code.SMTPUTF8_UNSUPPORTED,),
        N_("The server cannot handle an address with letters outside ASCII, such as accents, before the @."),
        N_("Use a sender address, and an address for the test mail, without such letters."),
    ),
    Rule(
        (Code.MESSAGE_TOO_LARGE,),
        N_("The server says that the mail is too large, although the test mail is very small."),
        N_("Ask whoever runs the server how large a mail from this account may be, and to raise that limit."),
    ),
    Rule(
        (Code.MESSAGE_REFUSED,),
        N_("The server took sender and recipient, but refused the mail itself."),
        N_(
            "Ask whoever runs the server whether a filter against spam or viruses refused it, and to let mail of this "
            "account pass. The number of the server’s reply is shown with the result."
        ),
    ),
    Rule(
        (Code.SENDER_UNAUTHENTICATED,),
        N_("The mail was refused because the sender’s domain does not vouch for this server (SPF, DKIM or DMARC)."),
        N_(
            "Look at the report on the sender’s domain on the settings page, have the DNS records set that it names, "
            "and test again. It can take a day until such a change is seen everywhere."
        ),
    ),
    Rule(
        (Code.TEMPORARY_FAILURE,),
        N_("The server refused the mail because of a block list."),
        N_(
            "Ask whoever runs the server which list its log names, and tell the platform’s support, so that the entry "
            "can be removed."
        ),
        detail="5",
    ),
    Rule((Code.TEMPORARY_FAILURE,), N_("The server reports a problem that should pass by itself."), _ASK_FOR_THE_LOG),
    Rule(
        (Code.PROTOCOL_ERROR,),
        N_("The server answered something that does not belong to the mail protocol."),
        N_(
            "Check that host name and port are those of a mail server for sending. If they are, ask whoever runs it "
            "what its log says about the time of the test."
        ),
    ),
    Rule((Code.UNKNOWN_REPLY,), N_("The server refused with a number whose meaning is not known."), _ASK_FOR_THE_LOG),
    Rule((Code.THROTTLED,), N_("The server asks to send more slowly."), _LATER),
    Rule(
        (Code.TOO_MANY_CONNECTIONS,),
        N_("The server allows no further connection of this account at the moment."),
        N_(
            "Test again in a few minutes. If it happens again, use an account that nothing else sends from, or ask "
            "whoever runs the server to allow more connections."
        ),
    ),
    Rule(
        (Code.OUTCOME_UNKNOWN,),
        N_(
            "The connection broke after the test mail had been handed over, so that nobody knows whether the server "
            "took it."
        ),
        N_(
            "See whether the mail has arrived, and test again in any case: settings are put in use only after a test "
            "whose end is known."
        ),
    ),
)

_OURS: Final = (
    Rule(
        (Code.PLATFORM_CREDENTIALS, Code.PLATFORM_SETTINGS),
        N_("Something is wrong with the platform’s own set-up, not with your settings."),
        N_("Nothing has to be changed here. Tell the platform’s support at what time it happened."),
    ),
    Rule(
        (Code.PLATFORM_QUOTA,),
        N_("The platform has used up what the provider allows it for all organisations together."),
        N_("Nothing has to be changed here. Mail that waits is sent by itself. Test again in a quarter of an hour."),
    ),
    Rule(
        (Code.STORE_UNAVAILABLE,),
        N_("The result of the test could not be stored; your settings are not the reason."),
        N_("Test again in a few minutes. If it stays so, tell the platform’s support."),
    ),
    Rule(
        (Code.INTERNAL_ERROR,),
        N_("The test broke off because of a mistake in this service; your settings are not the reason."),
        N_("Test again. If it happens again, tell the platform’s support at what time it was."),
    ),
    Rule(
        (SETTINGS_CHANGED,),
        N_(
            "All stages passed, but meanwhile the account was given up, because it was discarded or another one was "
            "connected after it, or the settings in use were changed. So it was not put in use."
        ),
        N_(
            "Look at the settings in use now and at the history of changes. To use this account, connect it again if "
            "it is not connected any more, then test it again."
        ),
        providers=(Provider.MICROSOFT_ACCOUNT, Provider.GOOGLE_ACCOUNT),
    ),
    Rule(
        (SETTINGS_CHANGED,),
        N_(
            "All stages passed, but meanwhile somebody else changed the settings. So the tested ones were not put in "
            "use."
        ),
        N_(
            "Look at the settings in use now and at the history of changes. What you entered is kept as a draft: test "
            "it again if it is still wanted."
        ),
    ),
    Rule(
        (INTERRUPTED,),
        N_("The test was broken off before its end, because the service was restarted or was held up."),
        N_("Test again. What you entered is kept as a draft."),
    ),
)

RULES: Final = (
    *advice_rules_connected_app.RULES,
    *advice_rules_connected.RULES,
    *advice_rules_connected_mail.RULES,
    *advice_rules_connection.RULES,
    *advice_rules_account.RULES,
    *_MAIL,
    *_OURS,
)
