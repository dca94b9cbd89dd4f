"""The operations on what organisations chose: read, configure, disconnect, suspend.

Every change has a number from one counter (:mod:`config.store_organizations`), and what a person changed is noted in
the history in the same transaction. An organisation that returned to the platform default keeps an empty row, so that
caches learn of it. A row that exists but makes no sense to this code is an error and never "nothing configured" (R6).

Not here: caching (:mod:`config.directory`), what a form may contain (:mod:`config.smtp_form`), who is told.
"""

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from config import organizations_password, smtp_form, store_drafts, store_history, store_trials
from config.actors import OPERATOR, Actor
from config.choices import OrganizationSettings, Status, Summary, Suspension, TransportKind, valid_organization_id
from config.directory import Directory
from config.errors import (
    InvalidSettings,
    SecretUnreadable,
    SettingsChanged,
    SettingsUnreadable,
    UnknownOrganization,
)
from config.history import Action, FieldChange, differences, entry
from config.languages import N_
from config.organizations_rows import is_nothing, settings_of, smtp_columns, summary_of
from config.secrets import SecretBox
from config.smtp_form import SmtpForm
from config.store import Store
from config.store_drafts import DraftRows
from config.store_organizations import Change, OrganizationRows
from transports.errors import Code
from transports.smtp.guard import Network
from transports.smtp.settings import SmtpSettings

__all__ = [
    "SMTP_PORTS",
    "Directory",
    "OrganizationSettings",
    "Organizations",
    "SmtpForm",
    "Status",
    "Summary",
    "Suspension",
    "TransportKind",
    "valid_organization_id",
]

SMTP_PORTS: Final = (25, 465, 587, 2525)
_PAGE: Final = 500


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Organizations:
    """All methods raise :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone.

    ``ports`` and ``allow_networks`` are those of the guard that the transports are built with.
    """

    def __init__(
        self,
        store: Store,
        box: SecretBox,
        *,
        ports: Collection[int] = SMTP_PORTS,
        allow_networks: Collection[Network] = (),
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._rows = OrganizationRows(store)
        self._drafts = DraftRows(store)
        self._box = box
        self._ports = ports
        self._allow_networks = allow_networks
        self._now = now

    async def get(self, organization: str) -> OrganizationSettings | None:
        """How the organisation's mail leaves; ``None`` only when nothing is configured.

        Raises:
            SettingsUnreadable: something is, but it cannot be read.
        """
        try:
            row = await self._rows.get(organization)
            if row is None or is_nothing(row):
                return None
            return settings_of(row, self._box)
        except (SecretUnreadable, ValueError, TypeError) as error:
            problem = str(error) if isinstance(error, SecretUnreadable) else "they are not those of a known transport"
            raise SettingsUnreadable(organization, problem) from error

    async def describe(self, organization: str) -> Summary | None:
        """What may be shown of the settings; needs no key."""
        row = await self._rows.get(organization)
        return None if row is None or row["kind"] is None else summary_of(row)

    async def summaries(self) -> AsyncIterator[Summary]:
        """Every organisation with a transport, in the order of their ids, read page by page."""
        after = ""
        while page := await self._rows.page(after, _PAGE):
            for row in page:
                yield summary_of(row)
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

    async def configure_smtp(
        self,
        organization: str,
        form: SmtpForm,
        *,
        actor: Actor = OPERATOR,
        expected: int | None = None,
        draft_saved_at: datetime | None = None,
    ) -> int:
        """Makes this SMTP server the organisation's transport and lifts a suspension; returns the new version.

        A blank password keeps the one in use, as in :meth:`smtp_candidate`. ``expected`` is the version of the settings
        that the form was made from, 0 for none; ``None`` replaces whatever there is. The draft that was
        ``draft_saved_at`` is discarded with it, but not one that somebody saved since. The same settings stay verified.

        Raises:
            InvalidSettings: the form has mistakes.
            SettingsChanged: the settings in use have another version than ``expected``.
            ConfigurationError: there is a password and no key to seal it with.
        """
        clean = self._checked(organization, form)
        async with self._rows.changing(organization) as change:
            before = change.before
            if expected is not None and expected != (before["version"] if before and before["kind"] else 0):
                raise SettingsChanged(organization)
            sealed, password_changed = organizations_password.sealed(organization, clean, before, self._box)
            values = {
                **smtp_columns(clean),
                "password_sealed": sealed,
                "limits": before and before["limits"],
                "enabled_at": (before and before["enabled_at"]) or self._now(),
            }
            fields = differences(before, values, password=password_changed)
            verified_at = before["verified_at"] if before and not fields else None
            await self._rows.put(change, organization, {**values, "verified_at": verified_at})
            await self._note(change, organization, actor, Action.CONFIGURED, fields)
            if draft_saved_at is not None:
                await store_drafts.discard(change.connection, organization, saved_at=draft_saved_at)
            elif password_changed:
                await store_drafts.forget_password(change.connection, organization)
            return change.number

    async def disconnect(self, organization: str, *, actor: Actor = OPERATOR, expected: int | None = None) -> int:
        """Returns the organisation to the platform default; returns the new version. ``expected`` is the one looked at.

        Its settings, the draft and the passwords in both are forgotten.

        Raises:
            UnknownOrganization: it has no transport.
            SettingsChanged: its settings have another version than ``expected``.
        """
        async with self._rows.changing(organization) as change:
            if change.before is None or change.before["kind"] is None:
                raise UnknownOrganization(organization)
            if expected is not None and change.before["version"] != expected:
                raise SettingsChanged(organization)
            fields = differences(change.before, None, password=change.before["password_sealed"] is not None)
            await self._rows.clear(change, organization)
            await store_drafts.discard(change.connection, organization)
            await store_trials.break_off(change.connection, organization, self._now())
            await self._note(change, organization, actor, Action.DISCONNECTED, fields)
            return change.number

    async def delete(self, organization: str, *, actor: Actor = OPERATOR) -> int:
        """Like ``disconnect``, and all else goes too: history, draft, trials, sessions. Returns the new version.

        What stays, until :meth:`purge` a day later, is that it was deleted, when and by whom.

        Raises:
            UnknownOrganization: there is nothing of it.
        """
        async with self._rows.changing(organization) as change:
            if not await self._rows.erase(change, organization, deleted_at=self._now()):
                raise UnknownOrganization(organization)
            await self._note(change, organization, actor, Action.DELETED)
            return change.number

    async def purge(self) -> int:
        """Removes the last trace of organisations deleted more than a day ago; returns how many."""
        return await self._rows.purge(self._now())

    async def suspend(self, organization: str, version: int, code: Code, retry_at: datetime | None) -> bool:
        """Notes that the account needs a person, if the settings still have this version.

        Returns whether this call began a suspension; one that is there already gets the new code and ``retry_at``.
        """
        values = {"suspended_code": code.value, "retry_at": retry_at}
        begun = {**values, "suspended_at": self._now()}
        if await self._rows.set_suspension(organization, version, begun, suspended=False):
            return True
        await self._rows.set_suspension(organization, version, values, suspended=True)
        return False

    async def recover(self, organization: str, version: int) -> bool:
        """Lifts a suspension, if the settings still have this version; returns whether there was one to lift."""
        values = {"suspended_code": None, "suspended_at": None, "retry_at": None}
        return await self._rows.set_suspension(organization, version, values, suspended=True)

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

    async def _note(
        self, change: Change, organization: str, actor: Actor, action: Action, fields: tuple[FieldChange, ...] = ()
    ) -> None:
        await store_history.add(change.connection, organization, entry(self._now(), actor, action, fields))
