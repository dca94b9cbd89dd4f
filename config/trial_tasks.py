"""The trials that run in this process: each a task, from its first stage to the verdict in the store.

Shutdown breaks a trial off and keeps it as interrupted; once the verdict is being written it is waited for instead. A
process that dies leaves its trials running in the store, where their age tells that they are not.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypedDict

from config.actors import Actor
from config.advice_rules import SETTINGS_CHANGED
from config.choices import TransportKind, TransportSettings
from config.errors import ConfigError, SettingsChanged, StoreUnavailable, TrialEnded
from config.languages import texts
from config.logs import get_logger
from config.organizations import Organizations, ProviderForm, SmtpForm
from config.trial_mail import compose
from config.trial_run import Limits, TrialRun
from config.trial_values import Trial, TrialStage, TrialState
from config.trials import Trials
from transports.errors import Code
from transports.message import Mailbox
from transports.protocol import Probe, Transport
from transports.smtp.settings import SmtpSettings

MakeTransport = Callable[[TransportSettings], Transport]
Announce = Callable[[str, int], Awaitable[None]]
"""Tells the replicas that an organisation's settings have this version now."""

_ANNOUNCE_SECONDS: Final = 15.0

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """What becomes the settings in use when it passes, if these still have the version ``expected``.

    The draft that was saved at ``draft_saved_at`` goes with it, but none that somebody saved since.
    """

    form: SmtpForm | ProviderForm
    expected: int
    draft_saved_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What a trial tries and for whom; without ``candidate`` it is about the settings in use."""

    kind: TransportKind
    settings: TransportSettings
    sender: Mailbox
    actor: Actor
    to: Mailbox
    language: str
    code: str
    candidate: Candidate | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What trials use; see :class:`config.save_and_test.SaveAndTest`."""

    organizations: Organizations
    trials: Trials
    make_transport: MakeTransport
    announce: Announce
    now: Callable[[], datetime]
    clock: Callable[[], float]
    base_url: str | None
    limits: Limits


class _About(TypedDict):
    """What a change of settings is told of the trial that they passed."""

    actor: Actor
    expected: int
    draft_saved_at: datetime
    trial_id: str


class _TakenForInterrupted(Exception):
    """The store no longer has the trial as running: what it tried may be long forgotten, so it goes no further."""


@dataclass(slots=True)
class _Running:
    """A trial of this process. Once it is ``concluding`` it is no longer broken off."""

    trial: Trial
    plan: Plan
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    concluding: bool = False
    task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Wakes those who follow."""
        self.changed.set()
        self.changed = asyncio.Event()


class TrialTasks:
    """For the tasks of one event loop."""

    def __init__(self, surroundings: Surroundings) -> None:
        self._around = surroundings
        self._running: dict[str, _Running] = {}
        self._telling: set[asyncio.Task[None]] = set()

    def run(self, trial: Trial, plan: Plan) -> None:
        """Begins to run a trial that the store has as running."""
        running = self._running[trial.id] = _Running(trial, plan)
        running.task = asyncio.create_task(self._run(running), name=f"trial {trial.id}")
        running.task.add_done_callback(lambda _: self._running.pop(trial.id, None))

    def changed(self, trial_id: str) -> asyncio.Event:
        """Set at the next change of the trial, if it runs here."""
        running = self._running.get(trial_id)
        return running.changed if running is not None else asyncio.Event()

    async def aclose(self, grace: float = 0.0) -> None:
        """Gives what is running ``grace`` seconds, then breaks it off, which is kept as interrupted. Idempotent."""
        open_trials = [(running, running.task) for running in self._running.values() if running.task is not None]
        if open_trials and grace > 0:
            await asyncio.wait([task for _, task in open_trials], timeout=grace)
        for running, task in open_trials:
            if not running.concluding:
                task.cancel()
        await asyncio.gather(*(task for _, task in open_trials), return_exceptions=True)
        for running, task in open_trials:
            if task.cancelled():  # one that had not even begun could not note it itself
                await self._give_up(running, TrialState.INTERRUPTED)
        await asyncio.gather(*self._telling, return_exceptions=True)

    async def _run(self, running: _Running) -> None:
        """From the first stage to the verdict in the store."""
        trial, plan = running.trial, running.plan

        async def record(stage: TrialStage) -> None:
            if not await self._around.trials.stage(trial.id, stage):
                raise _TakenForInterrupted
            running.tell()

        run = TrialRun(
            lambda: self._around.make_transport(plan.settings),
            record,
            security=plan.settings.security.value if isinstance(plan.settings, SmtpSettings) else "",
            limits=self._around.limits,
            clock=self._around.clock,
            today=lambda: self._around.now().date(),
        )
        try:
            async with asyncio.timeout(self._around.limits.whole):
                passed = await run.run(
                    Probe(plan.sender.address, plan.to.address),
                    lambda: compose(
                        trial,
                        sender=plan.sender,
                        to=plan.to,
                        code=plan.code,
                        base_url=self._around.base_url,
                        texts=texts(plan.language),
                    ),
                )
            running.concluding = True
            await self._conclude(running, passed=passed)
        except _TakenForInterrupted:
            _log.warning("a test of settings was held up for too long", organization=trial.organization)
        except asyncio.CancelledError:
            await self._give_up(running, TrialState.INTERRUPTED)
            raise
        except StoreUnavailable:
            _log.warning("a test of settings broke off, the store does not answer", organization=trial.organization)
            await self._give_up(running, TrialState.FAILED, run, Code.STORE_UNAVAILABLE)
        except Exception:  # noqa: BLE001 - the boundary of a trial: a mistake of ours must end it, not hang it
            _log.exception("a test of settings broke off", organization=trial.organization)
            await self._give_up(running, TrialState.FAILED, run, Code.INTERNAL_ERROR)

    async def _conclude(self, running: _Running, *, passed: bool) -> None:
        trial, plan = running.trial, running.plan
        if not passed:
            await self._finish(running, TrialState.FAILED)
            return
        version = trial.version
        try:
            if plan.candidate is not None:
                version = await self._put_to_use(trial, plan.candidate, plan.actor)
                self._tell_replicas(trial.organization, version)
            elif version is not None:
                await self._lift_suspension(trial, version)
        except TrialEnded:
            raise _TakenForInterrupted from None
        except SettingsChanged:
            await self._finish(running, TrialState.PASSED, problem=SETTINGS_CHANGED)
            return
        # The settings are in use: what cannot be noted now makes nothing of that a failure.
        with suppress(StoreUnavailable):
            await self._finish(running, TrialState.PASSED, version=version)

    async def _lift_suspension(self, trial: Trial, version: int) -> None:
        latest = await self._around.trials.get(trial.organization, trial.id)
        if latest is None or latest.state is not TrialState.RUNNING:
            raise _TakenForInterrupted
        if await self._around.organizations.recover(trial.organization, version):
            self._tell_replicas(trial.organization, version)

    async def _put_to_use(self, trial: Trial, candidate: Candidate, actor: Actor) -> int:
        organizations, form = self._around.organizations, candidate.form
        expected, saved_at = candidate.expected, candidate.draft_saved_at
        about: _About = {"actor": actor, "expected": expected, "draft_saved_at": saved_at, "trial_id": trial.id}
        if isinstance(form, SmtpForm):
            return await organizations.configure_smtp(trial.organization, form, **about)
        return await organizations.configure_provider(trial.organization, form, **about)

    async def _finish(
        self, running: _Running, state: TrialState, *, version: int | None = None, problem: str = ""
    ) -> None:
        await self._around.trials.finish(running.trial.id, state, version=version, problem=problem)
        running.tell()

    async def _give_up(
        self, running: _Running, state: TrialState, run: TrialRun | None = None, code: Code | None = None
    ) -> None:
        """Keeps that the trial broke off; if the store is away too, its age will tell the others."""
        stage = run.broken_off(code) if run is not None and code is not None else None
        with suppress(ConfigError):
            if stage is not None:
                await self._around.trials.stage(running.trial.id, stage)
            problem = str(code) if code is not None and stage is None else ""
            await self._finish(running, state, problem=problem)

    def _tell_replicas(self, organization: str, version: int) -> None:
        """Beside the trial: who is told late notices by the version."""

        async def tell() -> None:
            try:
                async with asyncio.timeout(_ANNOUNCE_SECONDS):
                    await self._around.announce(organization, version)
            except Exception:  # noqa: BLE001 - boundary: whatever keeps the news back, replicas find the change themselves
                _log.exception("the replicas could not be told of changed settings", organization=organization)

        task = asyncio.create_task(tell(), name=f"announce {organization}")
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
