"""An event's mark in the ledger: set before its mail may leave, and replaced by what became of it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from consumer.attempt import Attempt
from consumer.events import Event
from consumer.judging import Judge
from consumer.ledger import Ledger, Standing, State
from consumer.outcome import Branch, Closing, Dead, Drop, Hand, Reason, Verdict
from consumer.records import Share, records, settled_before, share, unbegun
from consumer.steps import Step, Watch
from consumer.turns import GoAside
from transports.errors import Code, OutcomeUnknown

_FRESH = 5.5
"""Seconds from asking for a mark within which its mail must leave: whoever finds it later goes by its age. The ledger
answers within three, a turn comes within two or so."""

_LOOK_AGAIN = 6.0
"""Seconds added to the send deadline, after which a send that somebody began must have ended."""


@dataclass(slots=True)
class Mark:
    """One event that this delivery may decide about. ``share`` says whom this copy of it is for."""

    key: bytes
    copy: bytes
    standing: Standing
    share: Share
    resend: bool
    asked_at: float = 0.0
    open: bool = True
    """Whether leaving it needs no more than to undo it: nothing was sent, nothing recorded."""

    def limited(self, branch: Branch) -> Branch:
        """The branch for this copy's recipients only, where it is not for everybody."""
        return replace(branch, owed=self.share.mine) if self.share.partial else branch


@dataclass(frozen=True, slots=True)
class Marks:
    """``deadline`` is the send deadline in seconds: no send of any replica is older. No method loses a mark.

    ``clock`` is monotonic, in seconds.
    """

    ledger: Ledger
    judge: Judge
    watch: Watch
    deadline: float
    clock: Callable[[], float]

    def stale(self, mark: Mark) -> bool:
        """Whether it took so long until the mail may leave that the mark is too old for it: it is to be set anew."""
        return self.clock() - mark.asked_at > _FRESH

    async def begin(self, event: Event, attempt: Attempt, hand: Hand) -> Mark | Verdict:
        """Marks the event as started, or says what becomes of it instead.

        Raises:
            GoAside: a send of it may be under way elsewhere.
            StoreUnavailable: it cannot be known, so nothing may be sent.
        """
        key = self.ledger.key(event.organization_id, event.source, event.id)
        resend, asked_at = attempt.unknown > 0, self.clock()
        standing = await self.ledger.begin(key, hand.copy, resend=resend)
        mine = share(standing, attempt, event.recipients)
        mark = Mark(key, hand.copy, standing, mine, resend, asked_at)
        ended = settled_before(standing, hand.redelivered)
        if standing.began:
            self.watch(Step.CHECKED, event.id)
            if ended is not None:
                return await self.record(mark, Verdict("", branches=(mark.limited(ended),)), event.id)
            if mine.mine:
                return mark
            await self.undo(mark)
            ended = Branch(Drop(), Reason.DUPLICATE)
        if ended is not None:
            return Verdict("", branches=(ended,))
        if standing.state is State.STARTED and standing.age < self.deadline + _LOOK_AGAIN:
            raise GoAside(self.deadline + _LOOK_AGAIN - standing.age, Reason.IN_PROGRESS)
        # Whoever began it is gone, or its answer never came and the resend was not published.
        error = OutcomeUnknown(Code.OUTCOME_UNKNOWN, "found unfinished")
        branch = replace(self.judge.branch(error, event, attempt), unfinished=True)
        if attempt.unfinished and isinstance(branch.decision, Dead):
            # Both times nothing else had been begun that could have been the cause: after the first it runs alone.
            branch = replace(branch, reason=Reason.POISON)
        return await self.record(mark, Verdict("", branches=(mark.limited(branch),)), event.id)

    async def undo(self, mark: Mark) -> None:
        """Puts things back as they were before, if nothing was recorded: no mail has left."""
        if mark.open:
            mark.open = False
            await self.ledger.end(mark.key, mark.copy, unbegun(mark.standing, mark.resend), mark.standing.mark)

    async def record(self, mark: Mark, verdict: Verdict, event_id: str) -> Verdict:
        """Records what became of the event; the verdict tells what to record once its branches are published."""
        mark.open = False
        first, last = records(mark.share, verdict.accepted, verdict.branches)
        known = await self.ledger.end(mark.key, mark.copy, first, mark.standing.mark)
        self.watch(Step.RECORDED, event_id)
        if known is State.DONE and first.state is not State.DONE:
            # Whoever began it was late, and has handed it off after all.
            return Verdict(verdict.transport, verdict.accepted, (Branch(Drop(), Reason.DUPLICATE),))
        return (
            verdict
            if last is None
            else replace(verdict, closing=Closing(mark.key, mark.copy, last, mark.standing.mark))
        )
