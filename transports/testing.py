"""Transports for tests of other packages, obeying the same contract as the real ones; no network."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from transports.errors import Code, DeliveryError, OutcomeUnknown, Unreachable
from transports.message import Mail, Receipt
from transports.mime import needs_smtputf8, render
from transports.protocol import OnStage, Probe, Stage

Step = Receipt | DeliveryError | Callable[[Mail], Awaitable[Receipt]] | None
"""What happens to one mail: this receipt, this error, this coroutine function; None accepts it for everyone."""


PASSED = tuple(Stage(name, True, 0.0) for name in ("address", "connect", "tls", "sign_in", "sender"))
"""All stages of a check, each of them passed."""


class RecordingTransport:
    """Accepts every mail for every owed recipient and keeps it in ``mails``.

    A mail is rendered before it is accepted, so what no real transport could express is ``MessageRefused`` here too.
    A check goes through ``stages`` up to the first failure, by default all of them passed; ``probes`` has what each
    check was to offer.
    """

    def __init__(self, name: str = "smtp", *, stages: Iterable[Stage] | None = None) -> None:
        self._name = name
        self._stages = PASSED if stages is None else tuple(stages)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self.mails: list[Mail] = []
        self.probes: list[Probe | None] = []
        self.most_at_once = 0
        self.closed = False

    @property
    def name(self) -> str:
        """The metric label it was given."""
        return self._name

    async def send(self, mail: Mail, timeout: float) -> Receipt:
        """Accepts ``mail``; after :meth:`aclose` it is ``Unreachable``."""
        if self.closed:
            raise Unreachable(Code.NO_CONNECTION_FREE, "closed", transport=self._name)
        self._running += 1
        self._idle.clear()
        self.most_at_once = max(self.most_at_once, self._running)
        try:
            render(mail, utf8=needs_smtputf8(mail))
            async with asyncio.timeout(timeout):
                return await self.answer(mail)
        except TimeoutError as error:
            raise OutcomeUnknown(Code.OUTCOME_UNKNOWN, "no reply", transport=self._name) from error
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def answer(self, mail: Mail) -> Receipt:
        """What becomes of ``mail``; accepted here."""
        self.mails.append(mail)
        return Receipt(self._name, mail.owed)

    async def check(
        self, timeout: float, *, probe: Probe | None = None, on_stage: OnStage | None = None
    ) -> Sequence[Stage]:
        """The stages it was given, in no time; ``sender`` only with a ``probe``."""
        self.probes.append(probe)
        ended: list[Stage] = []
        for stage in self._stages:
            if stage.name == "sender" and probe is None:
                continue
            ended.append(stage)
            if on_stage is not None:
                on_stage(stage)
            if not stage.ok:
                break
        return tuple(ended)

    async def aclose(self) -> None:
        """Waits for running sends, as real transports do."""
        self.closed = True
        await self._idle.wait()


class ScriptedTransport(RecordingTransport):
    """Answers the mails by ``steps``, one a mail, in the order they come; after the last step it accepts.

    ``mails`` has those that were accepted by someone, ``tried`` all of them.
    """

    def __init__(self, steps: Iterable[Step], name: str = "smtp", *, stages: Iterable[Stage] | None = None) -> None:
        super().__init__(name, stages=stages)
        self._steps = iter(steps)
        self.tried: list[Mail] = []

    async def answer(self, mail: Mail) -> Receipt:
        """The next step's receipt or error. A receipt must have a verdict for exactly the owed recipients."""
        self.tried.append(mail)
        step = next(self._steps, None)
        if isinstance(step, DeliveryError):
            raise step
        if step is None:
            return await super().answer(mail)
        receipt = step if isinstance(step, Receipt) else await step(mail)
        judged = [*receipt.accepted, *(position for position, _ in receipt.refused)]
        if sorted(judged) != sorted(mail.owed):
            raise AssertionError(f"the script judges {sorted(judged)}, owed are {sorted(mail.owed)}")
        if receipt.accepted:
            self.mails.append(mail)
        return receipt
