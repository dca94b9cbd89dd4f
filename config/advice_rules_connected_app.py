"""Advice on apps of an organisation's own, at Entra ID and at Google. Data; see ``advice_rules``.

Read on the settings page and at the command line, so it sends nobody to one of them.
"""

from typing import Final

from config.advice_rule import Provider, Rule
from config.languages import N_
from transports.errors import Code

_GOOGLE: Final = (Provider.GOOGLE_ACCOUNT,)
_MICROSOFT: Final = (Provider.MICROSOFT_ACCOUNT,)

RULES: Final = (
    Rule(
        (Code.ADMIN_CONSENT_NEEDED,),
        N_("Your own app registration has no service principal in the directory (tenant) whose ID was entered."),
        N_(
            "In the Microsoft Entra admin center, an administrator looks for App registrations, the app, “Overview”, "
            "and presses “Create Service Principal” beside “Managed application in local directory”. Then test again."
        ),
        detail=r"(?:\w+ )?AADSTS7000229\b",
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.APP_CREDENTIALS,),
        N_("There is no app with this application (client) ID in the directory (tenant) whose ID was entered."),
        N_(
            "In the Microsoft Entra admin center of that directory, look for App registrations, the app, “Overview”; "
            "compare both IDs with those that were entered, enter them anew and test. If there is no such app, make "
            "one."
        ),
        detail=r"(?:\w+ )?AADSTS700016\b",
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.APP_CREDENTIALS,),
        N_("Microsoft knows no directory (tenant) with the ID that was entered."),
        N_(
            "In the Microsoft Entra admin center, look for App registrations, the app, “Overview”; compare the "
            "directory (tenant) ID with the one that was entered, enter it anew and test."
        ),
        detail=r"(?:\w+ )?AADSTS(?:90002|900023)\b",
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.APP_CREDENTIALS,),
        N_(
            "Microsoft does not accept your own app registration: its secret is wrong or has run out, the app was "
            "removed or switched off, or it is not in the directory (tenant) that was entered."
        ),
        N_(
            "In the Microsoft Entra admin center, look for App registrations, the app. “Overview” shows the IDs of the "
            "app and its directory: compare them with those that were entered. Under “Certificates & secrets”, make a "
            "new secret or certificate, enter it instead of the old one and test."
        ),
        providers=_MICROSOFT,
    ),
    Rule(
        (Code.APP_CREDENTIALS,),
        N_(
            "Google does not accept the key of your own service account: it was removed, switched off, or is not whole."
        ),
        N_(
            "In the Google Cloud console, look for IAM & Admin, Service Accounts, the account, “Keys”; make a new key, "
            "enter it instead of the old one and test."
        ),
        providers=_GOOGLE,
    ),
    Rule(
        (Code.APP_CREDENTIALS,),
        N_("The provider does not accept the app that your organisation registered itself."),
        N_("Make a new secret or key for it, enter it instead of the old one and test."),
    ),
)
