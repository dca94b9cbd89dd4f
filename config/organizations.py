"""The operations on what organisations chose: read, configure, disconnect.

Every change has a number from one counter (:mod:`config.store_organizations`), and what a person changed is noted in
the history in the same transaction. An organisation that returned to the platform default keeps an empty row, so that
caches learn of it. What only reads is in :mod:`config.organizations_reading`, what sending finds out about an account
in :mod:`config.organizations_suspending`, how fast it may be used in :mod:`config.sending_limits`.

Not here: caching (:mod:`config.directory`), what a form may contain (:mod:`config.smtp_form`,
:mod:`config.provider_form`), how an account is connected (:mod:`config.grants`), who is told.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from config import organizations_password, provider_form, store_drafts, store_grants, store_history, store_trials
from config.actors import OPERATOR, Actor
from config.choices import OrganizationSettings, Status, Summary, Suspension, TransportKind, valid_organization_id
from config.directory import Directory
from config.errors import InvalidSettings, SettingsChanged, TrialEnded, UnknownOrganization
from config.history import Action, FieldChange, differences, entry
from config.organizations_account import account_in_use, account_of
from config.organizations_reading import SMTP_PORTS, ProviderCandidate
from config.organizations_rows import provider_columns, shown_of, smtp_columns, with_limits
from config.organizations_suspending import OrganizationSuspending
from config.provider_form import ProviderForm
from config.smtp_form import SmtpForm
from config.store_organizations import Change
from config.trials import LONGEST_RUN

__all__ = [
    "SMTP_PORTS",
    "Directory",
    "OrganizationSettings",
    "Organizations",
    "ProviderCandidate",
    "ProviderForm",
    "SmtpForm",
    "Status",
    "Summary",
    "Suspension",
    "TransportKind",
    "valid_organization_id",
]


class Organizations(OrganizationSuspending):
    """All methods raise :class:`~config.errors.StoreUnavailable`; ``now`` is the wall clock with a time zone.

    ``ports`` and ``allow_networks`` are those of the guard that the transports are built with, ``servers`` are the
    providers' SMTP servers.

    Every method that puts settings to use takes: ``expected``, the version of the settings that they were made from, 0
    for none (``None`` replaces whatever there is); ``draft_saved_at``, when the draft was saved that goes with it, but
    not one that somebody saved since; ``trial_id``, the trial that they passed, which must still be running.
    """

    async def configure_smtp(
        self,
        organization: str,
        form: SmtpForm,
        *,
        actor: Actor = OPERATOR,
        expected: int | None = None,
        draft_saved_at: datetime | None = None,
        trial_id: str | None = None,
    ) -> int:
        """Makes this SMTP server the organisation's transport and lifts a suspension; returns the new version.

        A blank password keeps the one in use, as in :meth:`smtp_candidate`. The same settings stay verified. A
        connected account that was in use is retired.

        Raises:
            InvalidSettings: the form has mistakes.
            SettingsChanged: the settings in use have another version than ``expected``.
            TrialEnded: the trial does not run any more.
            ConfigurationError: there is a password and no key to seal it with.
        """
        clean = self._checked(organization, form)
        async with self._rows.changing(organization) as change:
            _expect(organization, change, expected)
            before = change.before
            sealed, password_changed = organizations_password.sealed(organization, clean, before, self._box)
            values = with_limits({**smtp_columns(clean), "password_sealed": sealed}, before)
            fields = differences(shown_of(before), shown_of(values), password=password_changed)
            await store_grants.retire(change.connection, organization, self._now(), store_grants.ACTIVE)
            await self._put(change, organization, values, same=not fields, trial_id=trial_id)
            await self._note(change, organization, actor, Action.CONFIGURED, fields)
            if draft_saved_at is not None:
                await store_drafts.discard(change.connection, organization, saved_at=draft_saved_at)
            elif password_changed:
                await store_drafts.forget_password(change.connection, organization)
            return change.number

    async def configure_provider(
        self,
        organization: str,
        form: ProviderForm,
        *,
        actor: Actor = OPERATOR,
        expected: int | None = None,
        draft_saved_at: datetime | None = None,
        trial_id: str | None = None,
    ) -> int:
        """Makes a connected account the organisation's transport and lifts a suspension; returns the new version.

        The account is the candidate, or the one in use already, which then only gets another sender; one that it
        takes the place of is retired. Settings stay verified as long as account, method, way and sender are the same.

        Raises:
            InvalidSettings: the form has mistakes, or the account no address.
            SettingsChanged: the settings in use have another version than ``expected``, or the account is no longer
                connected.
            TrialEnded: the trial does not run any more.
        """
        async with self._rows.changing(organization) as change:
            _expect(organization, change, expected)
            await self._use(change, organization, form, actor, trial_id, Action.CONFIGURED)
            if draft_saved_at is not None:
                await store_drafts.discard(change.connection, organization, saved_at=draft_saved_at)
            return change.number

    async def reconnect(self, organization: str, *, actor: Actor = OPERATOR, expected: int | None = None) -> int | None:
        """Puts a fresh consent of the account in use in its place, the sender as it was; returns the new version.

        ``None``, and nothing is changed, when there is no candidate, or it is another account, or another way or
        method of using it, or the sender is none for the address that it has now: such settings are to be tried first.

        Raises:
            SettingsChanged: the settings in use have another version than ``expected``.
        """
        async with self._rows.changing(organization) as change:
            _expect(organization, change, expected)
            before = change.before
            used = account_in_use(before) if before else None
            row = await store_grants.candidate(change.connection, organization)
            if before is None or used is None or row is None or not used.same_use(account_of(row)):
                await change.connection.rollback()
                return None
            form = ProviderForm(before["sender_address"] or "", before["sender_alias"] or "", row["id"])
            try:
                await self._use(change, organization, form, actor, None, Action.RECONNECTED)
            except InvalidSettings:
                await change.connection.rollback()
                return None
            return change.number

    async def disconnect(self, organization: str, *, actor: Actor = OPERATOR, expected: int | None = None) -> int:
        """Returns the organisation to the platform default; returns the new version. ``expected`` is the one looked at.

        Its settings, the draft and the passwords in both are forgotten; connected accounts are retired, to be revoked.

        Raises:
            UnknownOrganization: it has no transport.
            SettingsChanged: its settings have another version than ``expected``.
        """
        async with self._rows.changing(organization) as change:
            if change.before is None or change.before["kind"] is None:
                raise UnknownOrganization(organization)
            _expect(organization, change, expected)
            had_password = change.before["password_sealed"] is not None
            fields = differences(shown_of(change.before), None, password=had_password)
            await self._rows.clear(change, organization)
            await store_drafts.discard(change.connection, organization)
            await store_grants.retire(change.connection, organization, self._now(), *store_grants.LIVE)
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

    async def _use(
        self, change: Change, organization: str, form: ProviderForm, actor: Actor, trial_id: str | None, action: Action
    ) -> None:
        row = await store_grants.live(change.connection, organization, form.grant_id)
        if row is None:
            raise SettingsChanged(organization)
        clean, account, before = provider_form.checked(form, row["email"]), account_of(row), change.before
        self._built(account)
        if row["state"] == store_grants.CANDIDATE:
            await store_grants.activate(change.connection, organization, row["id"], self._now())
        used = account_in_use(before) if before else None
        values = with_limits(provider_columns(clean, account), before)
        shown = shown_of(values, account)
        had_password = before is not None and before["password_sealed"] is not None
        fields = differences(shown_of(before), shown, password=had_password)
        # Another address of one and the same account is no reason to verify it anew.
        same = used is not None and used.same_use(account) and not {field.name for field in fields} - {"account"}
        await self._put(change, organization, values, same=same, trial_id=trial_id)
        await self._note(change, organization, actor, action, fields)

    async def _put(
        self, change: Change, organization: str, values: Mapping[str, Any], *, same: bool, trial_id: str | None
    ) -> None:
        """Writes new settings; that they were verified stays where it still holds."""
        before = change.before or {}
        kept = {
            "enabled_at": before.get("enabled_at") or self._now(),
            "verified_at": before.get("verified_at") if same else None,
        }
        await self._rows.put(change, organization, {**values, **kept})
        if trial_id is not None:
            oldest = self._now() - LONGEST_RUN
            if not await store_trials.is_running(change.connection, organization, trial_id, began_after=oldest):
                raise TrialEnded

    async def _note(
        self, change: Change, organization: str, actor: Actor, action: Action, fields: tuple[FieldChange, ...] = ()
    ) -> None:
        await store_history.add(change.connection, organization, entry(self._now(), actor, action, fields))


def _expect(organization: str, change: Change, version: int | None) -> None:
    before = change.before
    if version is not None and version != (before["version"] if before and before["kind"] else 0):
        raise SettingsChanged(organization)
