"""One run of *Save and test* against a server, from the first stage to the verdict. It changes no settings.

What passes: every stage, and a mail that the server took. One failure is none of the settings' and passes with a
remark: the server takes sign-in and sender, but puts *this recipient* off because it does not know the pair yet
(greylisting) or because the mailbox is full. Mail that waits is offered again by itself, and the settings are as good
as they will ever be; only the test mail with its code is missing, so they stay unverified. Every other refusal of the
recipient fails, since many servers judge the sender only there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from config.trial_values import STAGES, TrialStage
from transports.errors import Code, DeliveryError
from transports.message import Mail
from transports.protocol import Probe, Stage, Transport

TOLERATED: Final = frozenset({Code.RECIPIENT_GREYLISTED, Code.RECIPIENT_MAILBOX_FULL})
"""What the mail's recipient may be put off for in a run that passes; a check takes it for no failure either."""
EXPIRES_SOON: Final = 21
"""A certificate that is valid for fewer days than this is worth a warning."""

_CLOSING_SECONDS: Final = 5.0
_TEST_MAIL: Final = "test_mail"
_WITH_SECURITY: Final = frozenset({"connect", "tls"})

Record = Callable[[TrialStage], Awaitable[None]]
"""Takes each stage as it ends; the run goes on when it has returned."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for the check and for the mail, each in all."""

    check: float = 30.0
    mail: float = 30.0

    @property
    def whole(self) -> float:
        """When a run that should long be over is taken for stuck."""
        return self.check + self.mail + 2 * _CLOSING_SECONDS


class TrialRun:
    """Runs once. ``clock`` is monotonic, ``today`` the date.

    ``security`` is told with the stages it matters for; it is empty where there was no choice.
    """

    def __init__(
        self,
        make_transport: Callable[[], Transport],
        record: Record,
        *,
        security: str,
        limits: Limits,
        clock: Callable[[], float],
        today: Callable[[], date],
    ) -> None:
        self._make_transport = make_transport
        self._record = record
        self._security = security
        self._limits = limits
        self._clock = clock
        self._today = today
        self._done: list[str] = []

    async def run(self, probe: Probe, compose: Callable[[], Mail]) -> bool:
        """Goes through all stages; returns whether they passed. The transport is closed in any case."""
        transport = self._make_transport()
        try:
            return await self._check(transport, probe) and await self._hand_off(transport, compose)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSING_SECONDS):
                    await transport.aclose()

    def broken_off(self, code: Code) -> TrialStage | None:
        """The stage under way as failed with ``code``; none when all have ended."""
        following = STAGES.index(self._done[-1]) + 1 if self._done else 0
        return TrialStage(STAGES[following], ok=False, seconds=0.0, code=code) if following < len(STAGES) else None

    async def _check(self, transport: Transport, probe: Probe) -> bool:
        stages: asyncio.Queue[Stage | None] = asyncio.Queue()
        checking = asyncio.create_task(transport.check(self._limits.check, probe=probe, on_stage=stages.put_nowait))
        checking.add_done_callback(lambda _: stages.put_nowait(None))
        passed = True
        try:
            while (stage := await stages.get()) is not None:
                kept = self._kept(stage)
                passed = passed and kept.ok
                await self._keep(kept)
            await checking
        finally:
            checking.cancel()
            # A check that was given up has nothing more to say; its own end must not hide why.
            await asyncio.gather(checking, return_exceptions=True)
        return passed

    def _kept(self, stage: Stage) -> TrialStage:
        facts = stage.facts
        if self._security and stage.name in _WITH_SECURITY:
            facts = (*facts, ("security", self._security))
        if (days := self._days_left(dict(facts).get("expires", ""))) is not None and days < EXPIRES_SOON:
            facts = (*facts, ("expires_in_days", str(days)))
        return TrialStage(stage.name, stage.ok, stage.seconds, stage.code, stage.detail, facts)

    def _days_left(self, expires: str) -> int | None:
        try:
            return (date.fromisoformat(expires) - self._today()).days
        except ValueError:
            return None

    async def _hand_off(self, transport: Transport, compose: Callable[[], Mail]) -> bool:
        began = self._clock()
        ended = TrialStage(_TEST_MAIL, ok=True, seconds=0.0)
        try:
            receipt = await transport.send(compose(), self._limits.mail)
        except DeliveryError as error:
            ended = self._refused(error)
        else:
            if receipt.refused:
                ended = self._refused(receipt.refused[0][1])
        await self._keep(replace(ended, seconds=self._clock() - began))
        return ended.ok

    def _refused(self, error: DeliveryError) -> TrialStage:
        return TrialStage(_TEST_MAIL, ok=error.code in TOLERATED, seconds=0.0, code=error.code, detail=error.detail)

    async def _keep(self, stage: TrialStage) -> None:
        await self._record(stage)
        self._done.append(stage.name)
