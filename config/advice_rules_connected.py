"""Advice on accounts connected by OAuth: grants, consents, policies, mailboxes. Data; see ``advice_rules``.

What the providers answer when is written in the tables of their transports and token clients; the names of their pages
are those of their English consoles.
"""

from typing import Final

from config.advice_rule import Provider, Rule
from config.languages import N_
from transports.errors import Code

_GOOGLE: Final = (Provider.GOOGLE_ACCOUNT,)
_MICROSOFT: Final = (Provider.MICROSOFT_ACCOUNT,)
_BOTH: Final = (*_MICROSOFT, *_GOOGLE)

_RECONNECT: Final = (
    Rule(
        (Code.RECONNECTION_NEEDED,),
        N_(
            "Microsoft no longer accepts the connection: somebody took it away, an administrator reset the account’s "
            "sign-ins, or it was not used for a long time."
        ),
        N_(
            "Connect again and sign in with the same account; sender and history stay. If it happens often, ask the "
            "administrator of Microsoft Entra whether a policy ends sign-ins after some time (“Sign-in frequency”)."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.RECONNECTION_NEEDED,),
        N_(
            "Google no longer accepts the connection: access was taken away in the Google Account, the account’s "
            "password was changed, or the connection was not used for months."
        ),
        N_(
            "Connect again and sign in with the same account; sender and history stay. If it happens often, ask the "
            "administrator of Google Workspace whether sessions are limited for this app."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.RECONNECTION_NEEDED,),
        N_("The provider no longer accepts the connection to the account."),
        N_("Connect the account again on the settings page; sender and history stay."),
    ),
    Rule(
        (Code.ADMIN_CONSENT_NEEDED,),
        N_("Microsoft 365 lets only an administrator of your organisation agree to this connection."),
        N_(
            "Ask an administrator of Microsoft Entra to open the card “Microsoft 365” of the settings page and press "
            "“Agree as an administrator”. Then connect again."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.ADMIN_CONSENT_NEEDED,),
        N_("An administrator of Google Workspace has not allowed this yet."),
        N_(
            "In the Google Admin console, an administrator looks for Security, Access and data control, API controls: "
            "“Manage app access” to trust the app, or, for a service account, “Domain-wide delegation” with its client "
            "id and the permission that the card “Google” names, for sending alone “gmail.send”. It "
            "can take a day. Then test again."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.ADMIN_CONSENT_NEEDED,),
        N_("An administrator of the account’s organisation must agree to the connection first."),
        N_("Ask that administrator, then connect the account again on the settings page."),
    ),
)

_REFUSED: Final = (
    Rule(
        (Code.ACCESS_POLICY,),
        N_("A policy of your Microsoft 365 organisation blocks the connection (Conditional Access, for example)."),
        N_(
            "Ask an administrator of Microsoft Entra to look at this account’s “Sign-in logs”: they name the policy. "
            "Until it lets the app pass, connecting again does not help."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.ACCESS_POLICY,),
        N_("A policy of your Google Workspace organisation blocks the app."),
        N_(
            "In the Google Admin console, an administrator looks for Security, Access and data control, API controls, "
            "“Manage app access”, and trusts the app. Until then, connecting again does not help."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.ACCESS_POLICY,),
        N_("A policy of the account’s organisation blocks the connection."),
        N_("Ask its administrator to let the app pass. Until then, connecting again does not help."),
    ),
    Rule(
        (Code.PERMISSION_MISSING,),
        N_("Microsoft accepts the connection, but not that it sends mail: the permission is missing."),
        N_(
            "Connect again and agree to the permission to send mail. With an app registration of your own: look "
            "whether an administrator granted it for this mailbox (“RBAC for Applications” in Exchange Online, or "
            "“API permissions” of the app); a change can take more than an hour."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.PERMISSION_MISSING,),
        N_("Google accepts the connection, but not that it sends mail: the permission is missing."),
        N_(
            "Connect again and leave the box for sending mail ticked. With a service account of your own: look in the "
            "Google Admin console for “Domain-wide delegation”, whether the permission that the card “Google” names "
            "stands there."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.PERMISSION_MISSING,),
        N_("The connection works, but the permission to send mail is missing."),
        N_("Connect the account again on the settings page and agree to the permission to send mail."),
    ),
)

_MAILBOX: Final = (
    Rule(
        (Code.MAILBOX_UNAVAILABLE,),
        N_(
            "The account has no mailbox in Exchange Online that mail can be sent from: a licence is missing, the "
            "mailbox is on a server of your own, or it is still being set up."
        ),
        N_(
            "An administrator gives the account a licence with Exchange Online: Microsoft 365 admin center, Active "
            "users, this user, “Licenses and apps”. A new mailbox can take some hours. Then test again."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.MAILBOX_UNAVAILABLE,),
        N_("Gmail is not switched on for this account."),
        N_(
            "In the Google Admin console, an administrator looks for Apps, Google Workspace, Gmail, “Service status”, "
            "and at the licences of this user. Then test again."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.MAILBOX_UNAVAILABLE,),
        N_("The account has no mailbox that mail can be sent from."),
        N_("Ask the administrator of the mail service to give it one, then test again."),
    ),
    Rule(
        (Code.ACCOUNT_SUSPENDED,),
        N_("Microsoft 365 has blocked this account, or it no longer exists."),
        N_(
            "An administrator looks whether the user may sign in (Microsoft 365 admin center, Active users) and "
            "whether it may send (Microsoft Defender portal, “Restricted entities”). Then connect again, or connect "
            "another account."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.ACCOUNT_SUSPENDED,),
        N_("Google has suspended this account, or it no longer exists."),
        N_(
            "An administrator looks for the user in the Google Admin console and sees why. Then connect again, or "
            "connect another account."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM, Code.SIGN_IN_REFUSED),
        N_("Sending by SMTP is switched off for this mailbox (“Authenticated SMTP”)."),
        N_(
            "Connect again and choose the recommended way, which needs no SMTP. Or an administrator opens the "
            "Microsoft 365 admin center: Active users, this user, Mail, “Manage email apps”, and ticks “Authenticated "
            "SMTP”."
        ),
        detail=r"535 5\.7\.139|5\d\d 5\.7\.57|5\d\d 5\.7\.30\b",
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.SIGN_IN_MECHANISM, Code.SIGN_IN_REFUSED, Code.SIGN_IN_REQUIRED),
        N_("The provider’s SMTP server does not accept the sign-in of the connected account."),
        N_(
            "Connect again and choose the recommended way, which needs no SMTP. To stay with SMTP, let an "
            "administrator see whether sending by SMTP is switched on for this mailbox."
        ),
        providers=_BOTH,
    ),
    Rule(
        (Code.QUOTA_EXHAUSTED,),
        N_("The mailbox has sent as much as Microsoft 365 allows for now, or it is full."),
        N_(
            "Wait up to 24 hours; mail that waits is sent by itself afterwards. See that the mailbox is not full (sent "
            "mail counts too). If it happens again, use a mailbox that nothing else sends from."
        ),
        providers=_MICROSOFT,
    ),
)

RULES: Final = (*_RECONNECT, *_REFUSED, *_MAILBOX)
