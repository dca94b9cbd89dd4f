"""Whose mailbox an access token opens over SMTP, and what is said if it opens none: Exchange Online's way and Gmail's.

Both ask the provider's sandbox, so that a token dies here at the same moment as it does for the API.
"""

import json
from dataclasses import dataclass
from typing import Any, Final, Protocol

from deploy.local.providers.base import ProviderSandbox
from deploy.local.providers.base_values import Account
from deploy.local.providers.gmail_errors import ApiError
from deploy.local.providers.gmail_mail import Senders
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.google_grants import FULL_MAIL
from deploy.local.providers.microsoft import MicrosoftSandbox

_GMAIL_REFUSAL: Final = (
    "535-5.7.8 Username and Password not accepted. For more information, go to\r\n"
    "535 5.7.8  https://support.google.com/mail/?p=BadCredentials - gsmtp"
)
_OUTLOOK: Final = "https://outlook.office.com"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A sign-in that fails: the reply, and what is said before it in a challenge (after 334; empty: no challenge)."""

    reply: str
    challenge: str = ""


class Accounts(Protocol):
    """One provider's rules of signing in and sending by SMTP."""

    host: str
    implicit: bool
    connections: int | None
    per_minute: int | None
    most_recipients: int

    @property
    def box(self) -> ProviderSandbox[Any]:
        """Whose tokens are good, and who keeps the mails."""
        ...

    def sign_in(self, user: str, token: str) -> Account | Refusal:
        """The mailbox that ``user`` names, if the token is good for it."""
        ...

    def refuses_sender(self, account: Account, address: str) -> str | None:
        """The reply to MAIL FROM with this address; ``None`` is yes."""
        ...

    def senders(self, account: Account) -> Senders:
        """Which From addresses are kept; others become the account's own."""
        ...

    def refuses_mail(self, account: Account) -> str | None:
        """The reply after the final dot; ``None`` is yes."""
        ...


class ExchangeOnline:
    """smtp.office365.com: STARTTLS, and tokens for Outlook's resource only.

    Beyond three connections of a mailbox a mail is put off, and beyond ``per_minute`` mails (``None``: no limit) it
    takes until the next minute. ``disabled`` are mailboxes whose administrator has switched SMTP AUTH off.
    """

    def __init__(self, box: MicrosoftSandbox) -> None:
        self.box = box
        self.host, self.implicit = "smtp.office365.com", False
        self.connections: int | None = 3
        self.per_minute: int | None = 30
        self.most_recipients = 1000
        self.disabled: set[str] = set()
        self._microsoft = box

    def sign_in(self, user: str, token: str) -> Account | Refusal:
        """A person's token opens that person's mailbox, an app's one any mailbox of its tenant that it may use."""
        challenge = json.dumps({"status": "401", "schemes": "Bearer", "scope": f"{_OUTLOOK}/SMTP.Send"})
        refusal = Refusal("535 5.7.3 Authentication unsuccessful [sandbox.prod.outlook.com]", challenge)
        access = self._microsoft.grants.accesses.get(token)
        if access is None or self.box.clock() >= access.expires or access.resource != _OUTLOOK:
            return refusal
        account = next((one for one in self._microsoft.accounts.values() if one.owns(user)), None)
        if account is None or not account.enabled or not account.licensed:
            return refusal
        own = access.account.lower() == account.address.lower() and f"{_OUTLOOK}/SMTP.Send" in access.permissions
        if not own and not self._as_app(access.client_id, access.tenant, account, access.permissions):
            return refusal
        if account.address.lower() in self.disabled:
            text = "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox."
            return Refusal(f"535 5.7.139 {text} Visit https://aka.ms/smtp_auth_disabled for more information.")
        return account

    def _as_app(self, client_id: str, tenant: str, account: Account, permissions: frozenset[str]) -> bool:
        app = self._microsoft.directory.apps.get(client_id)
        limited = app is None or (app.mailboxes is not None and account.address.lower() not in app.mailboxes)
        return f"{_OUTLOOK}/SMTP.SendAsApp" in permissions and account.tenant == tenant and not limited

    def refuses_sender(self, account: Account, address: str) -> str | None:
        """Only the mailbox's own addresses, and those it may send as."""
        allowed = {one.lower() for one in (account.address, *account.aliases, *account.send_as)}
        text = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
        return None if address.lower() in allowed else text

    def senders(self, account: Account) -> Senders:
        """An alias becomes the primary address unless the tenant allows otherwise."""
        aliases = account.aliases if self._microsoft.graph.send_from_alias_enabled else ()
        return Senders(account.address, account.name, frozenset((*account.send_as, *aliases)))

    def refuses_mail(self, account: Account) -> str | None:
        """Nothing of its own."""
        del account
        return None


class Gmail:
    """smtp.gmail.com: TLS from the first byte, and tokens with the scope of all mail only; limits are the API's."""

    def __init__(self, box: GoogleSandbox) -> None:
        self.box = box
        self.host, self.implicit = "smtp.gmail.com", True
        self.connections: int | None = None
        self.per_minute: int | None = None
        self.most_recipients = 100
        self._google = box

    def sign_in(self, user: str, token: str) -> Account | Refusal:
        """The token must be for all mail and of this very account."""
        access = self._google.grants.access(token)
        scoped = access is not None and FULL_MAIL in access.scopes
        challenge = {"status": "401" if access is None else "400", "schemes": "Bearer", "scope": FULL_MAIL}
        refusal = Refusal(_GMAIL_REFUSAL, json.dumps(challenge))
        account = self._google.accounts.get(user.lower())
        if access is None or not scoped or account is None or access.account.lower() != user.lower():
            return refusal
        return account if account.enabled and account.licensed and account.consent == "user" else refusal

    def refuses_sender(self, account: Account, address: str) -> str | None:
        """Any; Gmail puts the account's own in its place."""
        del account, address
        return None

    def senders(self, account: Account) -> Senders:
        """Accepted send-as addresses are kept."""
        return Senders(account.address, account.name, frozenset(account.send_as))

    def refuses_mail(self, account: Account) -> str | None:
        """The daily limit of the mailbox, and no message from a mailbox that has reached it."""
        now = self.box.clock()
        try:
            self._google.quotas.allow_today(account.address, now)
        except ApiError:
            return "550 5.4.5 Daily user sending limit exceeded. For more information on Gmail sending limits - gsmtp"
        self._google.quotas.count(account.address, now)
        return None
