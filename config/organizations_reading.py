"""What organisations chose, as it is read: settings to send by, summaries to show, settings that are to be tried.

A row that exists but makes no sense to this code is an error and never "nothing configured" (R6).
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from config import organizations_password, provider_form, smtp_form
from config.choices import OrganizationSettings, Summary, TransportKind, TransportSettings, valid_organization_id
from config.errors import InvalidSettings, SecretUnreadable, SettingsChanged, SettingsUnreadable
from config.languages import N_
from config.organizations_account import PROVIDER_SERVERS, Account, Server, account_of
from config.organizations_rows import is_nothing, settings_of, summary_of
from config.provider_form import ProviderForm
from config.secrets import SecretBox
from config.smtp_form import SmtpForm
from config.store import Store
from config.store_breakers import BreakerRows
from config.store_drafts import DraftRows
from config.store_grants import LIVE, GrantRows
from config.store_organizations import OrganizationRows
from transports.smtp.guard import Network
from transports.smtp.settings import SmtpSettings

SMTP_PORTS: Final = (25, 465, 587, 2525)
_PAGE: Final = 500


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ProviderCandidate:
    """Settings with a connected account that may be tried: the form as it would be stored, and what it is built of."""

    form: ProviderForm
    kind: TransportKind
    settings: TransportSettings


class OrganizationReading:
    """The part of :class:`config.organizations.Organizations` that changes nothing; see there for its parameters."""

    def __init__(
        self,
        store: Store,
        box: SecretBox,
        *,
        ports: Collection[int] = SMTP_PORTS,
        allow_networks: Collection[Network] = (),
        now: Callable[[], datetime] = _utc_now,
        servers: Mapping[TransportKind, Server] = PROVIDER_SERVERS,
    ) -> None:
        self._rows = OrganizationRows(store)
        self._breakers = BreakerRows(store)
        self._drafts = DraftRows(store)
        self._grants = GrantRows(store)
        self._box = box
        self._ports = ports
        self._allow_networks = allow_networks
        self._now = now
        self._servers = servers

    async def get(self, organization: str) -> OrganizationSettings | None:
        """How the organisation's mail leaves; ``None`` only when nothing is configured.

        Raises:
            SettingsUnreadable: something is, but it cannot be read.
        """
        try:
            row = await self._rows.get(organization)
            if row is None or is_nothing(row):
                return None
            return settings_of(row, self._box, self._servers)
        except (SecretUnreadable, ValueError, TypeError) as error:
            problem = str(error) if isinstance(error, SecretUnreadable) else "they are not those of a known transport"
            raise SettingsUnreadable(organization, problem) from error

    async def describe(self, organization: str) -> Summary | None:
        """What may be shown of the settings; needs no key."""
        row = await self._rows.get(organization)
        return None if row is None or row["kind"] is None else summary_of(row, self._servers)

    async def summaries(self) -> AsyncIterator[Summary]:
        """Every organisation with a transport, in the order of their ids, read page by page."""
        after = ""
        while page := await self._rows.page(after, _PAGE):
            for row in page:
                yield summary_of(row, self._servers)
            after = page[-1]["organization"]

    async def smtp_candidate(self, organization: str, form: SmtpForm) -> SmtpForm:
        """The form as it would be stored, its password filled in: a blank one is the draft's, else the one in use.

        A stored password is only used for the same host and user name, so that nobody can have it sent elsewhere.

        Raises:
            InvalidSettings: the form has mistakes.
            SettingsUnreadable: the stored password is needed and cannot be opened.
        """
        clean = self._checked(organization, form)
        if clean.username is None or clean.password is not None:
            return clean
        rows = await self._drafts.get(organization), await self._rows.get(organization)
        try:
            return replace(clean, password=organizations_password.opened(organization, clean, *rows, self._box))
        except SecretUnreadable as error:
            raise SettingsUnreadable(organization, str(error)) from error

    @staticmethod
    def smtp_settings(form: SmtpForm) -> SmtpSettings:
        """What a transport is built from, for a form that :meth:`smtp_candidate` gave."""
        return smtp_form.smtp_settings(form)

    async def provider_candidate(self, organization: str, form: ProviderForm) -> ProviderCandidate:
        """The form as it would be stored, and what a transport is built from to try it.

        Raises:
            InvalidSettings: the form has mistakes, or the account no address.
            SettingsChanged: the account it names is no longer connected.
        """
        grant = await self._grants.by_id(form.grant_id)
        if grant is None or grant["organization"] != organization or grant["state"] not in LIVE:
            raise SettingsChanged(organization)
        clean = provider_form.checked(form, grant["email"])
        account = account_of(grant)
        return ProviderCandidate(clean, account.kind, self._built(account))

    def _built(self, account: Account) -> TransportSettings:
        try:
            return account.settings(self._servers)
        except ValueError:
            raise InvalidSettings([("grant_id", N_("has no mailbox address: connect another account"))]) from None

    async def suspended(self) -> Mapping[str, int]:
        """How many organisations are suspended, by reason code."""
        return await self._rows.suspended()

    async def changes_since(self, number: int | None) -> tuple[int, tuple[str, ...] | None]:
        """The number of the newest change, and the organisations changed after ``number`` (``None``: not asked).

        Changes of suspensions count, and so do disconnected and deleted organisations. A change may be told twice,
        but none with a number up to the returned one is missed. ``None`` instead of more than a thousand of them.
        """
        return await self._rows.changes_since(number)

    def _checked(self, organization: str, form: SmtpForm) -> SmtpForm:
        if not valid_organization_id(organization):
            raise InvalidSettings([("organization", N_("must be 1 to 128 letters, digits or characters of . _ : -"))])
        return smtp_form.checked(form, ports=self._ports, allow_networks=self._allow_networks)
