"""*Save and test*: tries settings through the production transport before they become the ones in use.

A trial runs as a task of the process that began it (:mod:`config.trial_tasks`), and is kept in the store stage by
stage, so that any process can follow it. What was entered is kept as the draft; it becomes the settings in use only
when every stage has passed and nobody else changed them meanwhile. What a run does is :mod:`config.trial_run`, what it
sends :mod:`config.trial_mail`; how often somebody may test, and that an organisation runs one trial at a time, is kept
by :mod:`config.trials`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from config.actors import Actor
from config.choices import TransportKind, TransportSettings
from config.drafts import Drafts
from config.errors import SettingsChanged, UnknownOrganization
from config.organizations import Organizations, ProviderForm, SmtpForm
from config.trial_run import Limits
from config.trial_tasks import Announce, Candidate, MakeTransport, Plan, Surroundings, TrialTasks
from config.trial_values import Trial, TrialState, TrialSubject
from config.trials import Trials
from transports.message import Mailbox
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import SmtpSettings

__all__ = ["Announce", "Limits", "MakeTransport", "SaveAndTest"]

_LIMITS: Final = Limits()


class SaveAndTest:
    """All methods raise :class:`~config.errors.StoreUnavailable`; for the tasks of one event loop.

    ``make_transport`` builds as for production, with the address guard. ``now`` is the wall clock with a time zone,
    ``clock`` monotonic, ``new_code`` gives a fresh confirmation code. ``base_url`` is where the settings page is
    reached; without it the mail has the code and no link. A trial of another process is looked at every
    ``poll_seconds``.
    """

    def __init__(  # noqa: PLR0913 - the composition root names each part
        self,
        organizations: Organizations,
        drafts: Drafts,
        trials: Trials,
        *,
        make_transport: MakeTransport,
        announce: Announce,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        new_code: Callable[[], str],
        base_url: str | None = None,
        limits: Limits = _LIMITS,
        poll_seconds: float = 0.5,
    ) -> None:
        self._organizations = organizations
        self._drafts = drafts
        self._trials = trials
        self._new_code = new_code
        self._poll_seconds = poll_seconds
        self._tasks = TrialTasks(
            Surroundings(organizations, trials, make_transport, announce, now, clock, base_url, limits)
        )

    async def start(
        self, organization: str, form: SmtpForm, *, expected: int, actor: Actor, to: Mailbox, language: str
    ) -> Trial:
        """Keeps the form as the draft and begins to try it; the draft becomes the settings in use if all stages pass.

        ``expected`` is the version of the settings that the form was made from, 0 for none. The mail goes to ``to``.

        Raises:
            InvalidSettings: the form has mistakes; nothing was kept.
            SettingsUnreadable: the password is to be the stored one, which cannot be read; nothing was kept.
            SettingsChanged: the settings in use are not those that the form was made from; nothing was kept.
            TooManyTrials: this organisation or administrator tests too often; the draft was kept.
            TrialRunning: one is running; the draft was kept.
        """
        candidate = await self._organizations.smtp_candidate(organization, form)
        settings = self._organizations.smtp_settings(candidate)
        await self._expect(organization, expected)
        # Only what was typed: a copy of the password in use would outlive its change and come back with a blank field.
        draft = await self._drafts.save(organization, replace(candidate, password=form.password or None), actor)
        sender = Mailbox(candidate.sender_address, candidate.sender_alias)
        tried = Candidate(candidate, expected, draft.saved_at)
        plan = Plan(TransportKind.SMTP, settings, sender, actor, to, language, self._new_code(), tried)
        return await self._begin(organization, TrialSubject.CANDIDATE, plan, None)

    async def start_provider(
        self, organization: str, form: ProviderForm, *, expected: int, actor: Actor, to: Mailbox, language: str
    ) -> Trial:
        """Like :meth:`start`, for the sender of a connected account: a candidate, or the one in use.

        Raises:
            InvalidSettings: the form has mistakes; nothing was kept.
            SettingsChanged: the settings in use are not those that the form was made from, or the account is no longer
                connected; nothing was kept.
            TooManyTrials: this organisation or administrator tests too often; the draft was kept.
            TrialRunning: one is running; the draft was kept.
        """
        candidate = await self._organizations.provider_candidate(organization, form)
        await self._expect(organization, expected)
        draft = await self._drafts.save_provider(organization, candidate.form, candidate.kind, actor)
        sender = Mailbox(candidate.form.sender_address, candidate.form.sender_alias)
        tried = Candidate(candidate.form, expected, draft.saved_at)
        plan = Plan(candidate.kind, candidate.settings, sender, actor, to, language, self._new_code(), tried)
        return await self._begin(organization, TrialSubject.CANDIDATE, plan, None)

    async def start_active(self, organization: str, *, actor: Actor, to: Mailbox, language: str) -> Trial:
        """Begins to try the settings in use; a passed trial lifts a suspension.

        Raises:
            UnknownOrganization: nothing is configured.
            SettingsUnreadable: something is, but it cannot be read.
            TooManyTrials: this organisation or administrator tests too often.
            TrialRunning: one is running.
        """
        active = await self._organizations.get(organization)
        if active is None or active.account is None:
            raise UnknownOrganization(organization)
        plan = Plan(active.kind, active.account, active.sender, actor, to, language, self._new_code())
        return await self._begin(organization, TrialSubject.ACTIVE, plan, active.version)

    async def follow(self, organization: str, trial_id: str) -> AsyncIterator[Trial]:
        """The trial as it is now and again after every change, until it is over, in whichever process it runs.

        Nothing at all for a trial that this organisation does not have.
        """
        shown: Trial | None = None
        while True:
            changed = self._tasks.changed(trial_id)
            trial = await self._trials.get(organization, trial_id)
            if trial is None:
                return
            if trial != shown:
                shown = trial
                yield trial
            if trial.state is not TrialState.RUNNING:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), self._poll_seconds)

    async def aclose(self, grace: float = 0.0) -> None:
        """Gives what is running ``grace`` seconds, then breaks it off, which is kept as interrupted. Idempotent."""
        await self._tasks.aclose(grace)

    async def _expect(self, organization: str, version: int) -> None:
        summary = await self._organizations.describe(organization)
        if (summary.version if summary else 0) != version:
            raise SettingsChanged(organization)

    async def _begin(self, organization: str, subject: TrialSubject, plan: Plan, version: int | None) -> Trial:
        trial = await self._trials.begin(
            organization,
            plan.actor,
            subject=subject,
            kind=plan.kind.value,
            server=_server(plan.settings),
            sender=plan.sender.address,
            code=plan.code,
            version=version,
        )
        self._tasks.run(trial, plan)
        return trial


def _server(settings: TransportSettings) -> str:
    """What the test mail and the page call the place that mail is handed to."""
    if isinstance(settings, SmtpSettings):
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        return f"{host}:{settings.port}"
    return "Microsoft Graph" if isinstance(settings, Microsoft365Settings) else "Gmail API"
