"""Advice on the account: signing in, the sender's address, limits. Data; see ``advice_rules``.

What Google and Microsoft answer when is written in the transport's table of replies; the names of their pages are
those of their English consoles.
"""

from typing import Final

from config.advice_rule import Provider, Rule
from config.languages import N_
from transports.errors import Code

_GOOGLE: Final = (Provider.GOOGLE, Provider.GOOGLE_RELAY)
_GOOGLE_MAIL: Final = (*_GOOGLE, Provider.GOOGLE_ACCOUNT)
_MICROSOFT: Final = (Provider.MICROSOFT, Provider.MICROSOFT_INBOUND)
_MICROSOFT_MAIL: Final = (*_MICROSOFT, Provider.MICROSOFT_ACCOUNT)
_SIGN_IN: Final = (Code.SIGN_IN_REFUSED, Code.SIGN_IN_MECHANISM)

RULES: Final = (
    # Google
    Rule(
        (Code.RELAYING_DENIED, Code.SENDER_REFUSED, Code.RECIPIENT_REFUSED, Code.SIGN_IN_REQUIRED),
        N_("Google’s relay service does not accept mail from this service or this sender."),
        N_(
            "In the Google Admin console, a Google Workspace administrator looks for Apps, Google Workspace, Gmail, "
            "Routing, “SMTP relay service”, allows the sender’s domain there and lets it require SMTP authentication "
            "instead of fixed IP addresses. Or use smtp.gmail.com with an app password."
        ),
        detail="5",
        providers=(Provider.GOOGLE_RELAY,),
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM, Code.SIGN_IN_REFUSED),
        N_("Google holds this sign-in for unusual and wants the account’s owner to confirm it."),
        N_(
            "Sign in to the Google Account in a browser, look for Security, “Recent security activity”, and confirm "
            "that it was you. Then test again, with an app password as the password."
        ),
        detail=r"534 5\.7\.14",
        providers=_GOOGLE,
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM,),
        N_("Google wants an app password: the account’s own password does not work for sending mail by SMTP."),
        N_(
            "Open the Google Account of this user, switch on 2-Step Verification if it is off, and look for the page "
            "“App passwords”. Make one and enter its 16 letters here as the password. In Google Workspace an "
            "administrator may have to allow app passwords first."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.SIGN_IN_REFUSED,),
        N_(
            "Google did not accept the user name and the password. The account’s own password does not work here, only "
            "an app password does."
        ),
        N_(
            "Enter the full e-mail address as the user name. Then look for “App passwords” in the Google Account (it "
            "needs 2-Step Verification), make a new one and enter its 16 letters without spaces. When the account’s "
            "password is changed, all its app passwords end."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.SENDER_REFUSED,),
        N_("Google does not let this account send from this sender address."),
        N_(
            "Enter the account’s own address as the sender, or add the address in Gmail: Settings, Accounts, “Send "
            "mail as”. There it has to be confirmed before it can be used."
        ),
        providers=_GOOGLE_MAIL,
    ),
    Rule(
        (Code.QUOTA_EXHAUSTED,),
        N_("The account has sent as many mails as Google allows in a day."),
        N_(
            "Wait up to 24 hours; mail that waits is sent by itself afterwards. If it happens again, use an account of "
            "Google Workspace, which may send more, or an account that nothing else sends from."
        ),
        providers=_GOOGLE_MAIL,
    ),
    # Microsoft
    Rule(
        (*_SIGN_IN, Code.SIGN_IN_REQUIRED),
        N_("Accounts of Outlook.com, Hotmail and Live can no longer send mail with user name and password."),
        N_("Use a mailbox of your organisation’s own domain, with the SMTP server of its provider."),
        providers=(Provider.MICROSOFT_PERSONAL,),
    ),
    Rule(
        (*_SIGN_IN, Code.SIGN_IN_REQUIRED, Code.RELAYING_DENIED),
        N_("This host receives mail for Microsoft 365. It is not the server for sending mail after signing in."),
        N_("Use smtp.office365.com, port 587, with STARTTLS."),
        providers=(Provider.MICROSOFT_INBOUND,),
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM,),
        N_("Microsoft 365 no longer accepts user name and password for sending mail (“basic authentication”) here."),
        N_(
            "A Microsoft 365 administrator may still be able to allow it for some time: look for “SMTP AUTH” in the "
            "Exchange admin center. What lasts is the card “Microsoft 365” of the settings page, where it is offered, "
            "or another SMTP server."
        ),
        detail=r"5\d\d 5\.7\.30\b",
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM, Code.SIGN_IN_REFUSED),
        N_(
            "Microsoft 365 refused the sign-in: signing in with a password to send mail (“SMTP AUTH”) is switched off "
            "for this mailbox or the whole organisation, or the password is wrong."
        ),
        N_(
            "Check the password first. Then a Microsoft 365 administrator opens the Microsoft 365 admin center: Active "
            "users, this user, Mail, “Manage email apps”, and ticks “Authenticated SMTP”. That is enough even where it "
            "is switched off for the whole organisation. Only where “Security defaults” are on in the Microsoft Entra "
            "admin center, they block it all the same: rather than switch them off for everybody, use the card "
            "“Microsoft 365” of the settings page, where it is offered, or another SMTP server."
        ),
        detail=r"535 5\.7\.139|5\d\d 5\.7\.57",
    ),
    Rule(
        _SIGN_IN,
        N_("Microsoft 365 did not accept the user name and the password."),
        N_(
            "Enter the full address with which the user signs in as the user name, and the password again. If the "
            "account uses multi-factor authentication, its normal password is refused: look for “App passwords” on the "
            "account’s “Security info” page, or use an account made for sending notifications only."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.SENDER_REFUSED,),
        N_("Microsoft 365 does not let the account that signs in send from this sender address."),
        N_(
            "Enter the account’s own address as the sender. Or let a Microsoft 365 administrator give the account the "
            "permission: Exchange admin center, Mailboxes, the sender’s mailbox, Delegation, “Send as”. It can take an "
            "hour until that works."
        ),
        providers=_MICROSOFT_MAIL,
    ),
    Rule(
        (Code.SENDER_REFUSED,),
        N_("The mail server (Exchange) does not let the account that signs in send from this sender address."),
        N_(
            "Enter the account’s own address as the sender, or ask your Exchange administrator for the permission "
            "“Send as” on the sender’s mailbox."
        ),
        detail=r"5\d\d 5\.(?:7\.60|2\.252)\b",
    ),
    Rule(
        (Code.QUOTA_EXHAUSTED,),
        N_("Microsoft limits how much mail leaves from addresses that end in onmicrosoft.com."),
        N_("Use a sender address in your organisation’s own domain."),
        detail=r"550 5\.7\.236",
    ),
    Rule(
        (Code.TOO_MANY_CONNECTIONS,),
        N_("Microsoft 365 allows three connections of a mailbox at the same time, and others are using it."),
        N_(
            "Use a mailbox that nothing else sends from, such as notifications@ in your domain. Test again in a few "
            "minutes."
        ),
        providers=_MICROSOFT_MAIL,
    ),
    # any server
    Rule(
        (Code.SIGN_IN_REFUSED,),
        N_("The server did not accept the user name and the password."),
        N_(
            "Enter both again, without a space before or behind. The user name is often the full e-mail address. If "
            "the account uses two-step verification, many providers want an app password made for this purpose. Many "
            "wrong attempts can lock the account for a while."
        ),
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM,),
        N_("The server offers no sign-in with user name and password on this port."),
        N_(
            "Check host name and port: the server for sending mail is not always the one that receives it, and it "
            "often listens on port 587 or 465. If your server knows the platform without a sign-in, leave the user "
            "name empty."
        ),
        detail="none in common",
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM,),
        N_("The server does not accept this kind of sign-in."),
        N_(
            "Ask your provider whether sending by SMTP with a password is switched on for this account, and whether it "
            "takes an app password."
        ),
    ),
    Rule(
        (Code.SIGN_IN_REQUIRED,),
        N_("The server takes mail only after a sign-in."),
        N_(
            "Enter the user name and the password of the account that mail is sent from. If they are entered, ask "
            "whoever runs the server whether this account may send mail."
        ),
    ),
    Rule(
        (Code.SIGN_IN_UNAVAILABLE,),
        N_("The server cannot check user names and passwords at the moment."),
        N_("Wait a quarter of an hour and test again; many attempts in a row can lock an account."),
    ),
    Rule(
        (Code.SENDER_REFUSED,),
        N_("The server does not let this account send from this sender address."),
        N_(
            "Enter the account’s own address as the sender, or ask whoever runs the server to allow this address for "
            "the account. The sender’s domain usually has to be one that the server sends for."
        ),
    ),
    Rule(
        (Code.RELAYING_DENIED,),
        N_("The server does not pass on mail to addresses outside its own domains."),
        N_(
            "If no user name is entered, enter the account’s: most servers pass mail on only after a sign-in. Check "
            "that the host name is that of the server for sending mail. Else ask whoever runs the server to let this "
            "account send to any address."
        ),
    ),
    Rule(
        (Code.QUOTA_EXHAUSTED,),
        N_("The account’s own mailbox is full, so the server takes no more mail from it."),
        N_("Make room in that mailbox (sent mail counts too), and test again."),
        detail=r"55\d 5\.2\.2\b",
    ),
    Rule(
        (Code.QUOTA_EXHAUSTED,),
        N_("The account has sent as much mail as its provider allows for now."),
        N_(
            "Wait until the limit is over, mostly within 24 hours; mail that waits is sent by itself afterwards. If it "
            "happens again, ask your provider for a higher limit or use an account that nothing else sends from."
        ),
    ),
    Rule(
        (Code.ACCOUNT_SUSPENDED,),
        N_("The provider has blocked this account."),
        N_(
            "Sign in to the provider’s own pages with this account and see why. Often misuse is suspected: then change "
            "the password, have the account released and enter the new password here."
        ),
    ),
)
