"""What the ledger is told, through crashes at any moment: nobody is forgotten, and nobody gets a mail twice."""

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.attempt import Attempt
from consumer.judging import Judge
from consumer.ledger import Record, Standing, State
from consumer.marks import Mark, Marks
from consumer.outcome import Branch, Dead, Drop, Hand, Reason, Retry, Verdict
from consumer.records import Share, records, settled_before, share, unbegun
from consumer.retry import Policy
from consumer.steps import nobody
from consumer.turns import GoAside
from tests.books import Book
from tests.builders import NOON, event
from transports import errors
from transports.errors import Code

THREE = event({"to": [{"address": f"r{n}@example.org"} for n in range(3)]})
DEADLINE = 90.0
ENDS = ("taken", "refused", "deferred", "greylisted")
CRASHES = ("marked", "sent", "recorded", "half published", "published", "closed", "")


class Crash(Exception):
    """The process died here."""


class Play:
    """Copies of one event in queues, delivered in any order, by processes that may die at any moment."""

    def __init__(self):
        self.time = 0.0
        self.book = Book(lambda: self.time)
        judge = Judge(Policy(jitter=0), lambda: NOON + timedelta(seconds=self.time), lambda: 0.5, frozenset())
        self.marks = Marks(self.book, judge, nobody, DEADLINE, lambda: self.time)
        self.judge, self.numbers = judge, itertools.count(1)
        self.queue = [(Attempt(NOON, copy="0"), False)]
        self.taken: Counter[int] = Counter()
        self.dead: Counter[int] = Counter()
        self.excused = 0
        self.refused, self.crashes = set(), 0

    async def deliver(self, index, ends, crash, *, dies_unknown):
        attempt, redelivered = self.queue.pop(index % len(self.queue))
        self.time += DEADLINE + 10
        try:
            await self._handle(attempt, redelivered, ends, crash, dies_unknown)
        except Crash:
            self.crashes += 1
            self.queue.append((attempt, True))

    async def _handle(self, attempt, redelivered, ends, crash, dies_unknown):
        mark = await self.marks.begin(THREE, attempt, Hand(attempt.copy.encode(), redelivered=redelivered))
        if isinstance(mark, Verdict):
            await self._settle(attempt, mark, crash)
            return
        self._die(crash, "marked")
        refused, accepted = [], []
        for position in mark.share.mine:
            # What was refused for good is refused for good.
            end = "refused" if position in self.refused else ends[position]
            if end == "refused":
                self.refused.add(position)
            if end == "taken":
                accepted.append(position)
                self.taken[position] += 1
            else:
                refused.append((position, ERRORS[end]))
        mark.open = False
        if dies_unknown:
            self.excused += 1
            branch = self.judge.branch(errors.OutcomeUnknown(Code.OUTCOME_UNKNOWN), THREE, attempt)
            verdict = Verdict("smtp", branches=(mark.limited(branch),))
        else:
            self.excused += crash == "sent"
            self._die(crash, "sent")
            verdict = Verdict("smtp", tuple(accepted), self.judge.branches(refused, THREE, attempt))
        await self._settle(attempt, await self.marks.record(mark, verdict, "e"), crash)

    async def _settle(self, attempt, verdict, crash):
        self._die(crash, "recorded")
        for branch in verdict.branches:
            if not isinstance(branch.decision, Drop):
                self._publish(attempt, branch)
            self._die(crash, "half published")
        self._die(crash, "published")
        if verdict.closing is not None:
            await self.book.end(verdict.closing.key, verdict.closing.copy, verdict.closing.record)
        self._die(crash, "closed")

    def _publish(self, attempt, branch):
        owed = branch.owed if branch.owed is not None else attempt.owed
        if isinstance(branch.decision, Dead):
            self.dead.update(range(3) if owed is None else owed)
            return
        later = replace(
            attempt, owed=owed, copy=str(next(self.numbers)), unknown=attempt.unknown + branch.unknown,
            number=attempt.number + 1,
        )  # fmt: skip
        self.queue.append((later, False))

    @staticmethod
    def _die(crash, here):
        if crash == here:
            raise Crash


ERRORS = {
    "refused": errors.RecipientRefused(Code.RECIPIENT_REFUSED),
    "deferred": errors.RecipientDeferred(Code.RECIPIENT_DEFERRED),
    "greylisted": errors.RecipientDeferred(Code.RECIPIENT_GREYLISTED),
}
STEP = st.tuples(
    st.integers(0, 5), st.tuples(*[st.sampled_from(ENDS)] * 3), st.sampled_from(CRASHES), st.sampled_from((0, 0, 0, 1))
)


@settings(max_examples=300, deadline=None)
@given(st.lists(STEP, max_size=14))
def test_through_any_crashes_everybody_gets_it_or_is_a_dead_letter_and_nobody_twice(steps):
    async def play():
        p = Play()
        for index, ends, crash, unknown in steps:
            if not p.queue:
                break
            await p.deliver(index, ends, crash, dies_unknown=unknown)
        for _ in range(60):
            if not p.queue:
                break
            await p.deliver(0, ("taken",) * 3, "", dies_unknown=0)
        return p

    p = asyncio.run(play())
    assert not p.queue, "it goes round for ever"
    for position in range(3):
        assert p.taken[position] or p.dead[position], f"recipient {position} was forgotten"
        if not p.excused:
            assert p.taken[position] <= 1, "twice, and no send was cut off"
            # Only a third crash in the same event's worst moments can do that: its recipient is then told of twice.
            assert p.crashes > 2 or not (p.taken[position] and p.dead[position]), "in two ends"


DEFERRED = Branch(Retry(15), Code.RECIPIENT_DEFERRED)
REFUSED = Branch(Dead(), Code.RECIPIENT_REFUSED)
GIVEN_UP = "recipient_refused"
WHOLE, PART = Share((0, 1, 2), (0, 1, 2), partial=False), Share((1, 2), (1,), partial=True)


@pytest.mark.parametrize(
    ("mine", "accepted", "branches", "first", "last"),
    [
        (WHOLE, (0, 1, 2), (), Record(State.DONE), None),
        (WHOLE, (), (DEFERRED,), Record(State.NEW), None),
        (WHOLE, (), (REFUSED,), Record(State.DEAD, reason="recipient_refused"), None),
        (WHOLE, (), (Branch(Retry(300), Code.OUTCOME_UNKNOWN, unknown=True),), Record(State.UNKNOWN), None),
        (WHOLE, (0, 1), (replace(DEFERRED, owed=(2,)),), Record(State.OWED, (2,)), None),
        (WHOLE, (0, 1), (replace(REFUSED, owed=(2,)),), Record(State.OWED, (2,), GIVEN_UP), Record(State.DONE)),
        (PART, (1,), (), Record(State.OWED, (2,)), None),
        (
            PART,
            (),
            (replace(REFUSED, owed=(1,)),),
            Record(State.OWED, (1, 2), GIVEN_UP),
            Record(State.OWED, (2,)),
        ),
    ],
)
def test_what_is_recorded_before_and_after_the_publishing(mine, accepted, branches, first, last):
    assert records(mine, accepted, branches) == (first, last)


def test_a_copy_is_for_whom_it_names_and_who_is_still_owed():
    standing = Standing(State.OWED, began=True, owed=(1, 2))
    assert share(standing, Attempt(NOON, owed=(0, 2)), 3) == Share((1, 2), (2,), partial=True)
    assert share(Standing(State.NEW, began=True), Attempt(NOON), 3) == WHOLE


def test_a_send_that_was_not_made_leaves_what_was_there():
    assert unbegun(Standing(State.NEW), resend=False) == Record(State.NEW)
    assert unbegun(Standing(State.OWED, owed=(1,)), resend=False) == Record(State.OWED, (1,))
    assert unbegun(Standing(State.UNKNOWN), resend=True) == Record(State.UNKNOWN)


def test_a_dead_letter_is_written_again_only_for_the_copy_that_became_it():
    dead = Standing(State.DEAD, reason="expired", same_copy=True)
    assert settled_before(dead, redelivered=True) == Branch(Dead(), Reason.EXPIRED)
    assert settled_before(dead, redelivered=False) == Branch(Drop(), Reason.DUPLICATE)
    assert settled_before(replace(dead, same_copy=False), redelivered=True) == Branch(Drop(), Reason.DUPLICATE)


async def test_a_send_that_may_be_under_way_elsewhere_is_looked_at_again():
    p = Play()
    await p.marks.begin(THREE, Attempt(NOON), Hand(b"one"))
    p.time = 10
    with pytest.raises(GoAside) as aside:
        await p.marks.begin(THREE, Attempt(NOON), Hand(b"two"))
    assert (aside.value.after, aside.value.reason) == (DEADLINE + 6 - 10, Reason.IN_PROGRESS)
    p.time = DEADLINE + 7
    found = await p.marks.begin(THREE, Attempt(NOON), Hand(b"two"))
    assert isinstance(found, Verdict)
    assert [(each.unknown, each.decision) for each in found.branches] == [(True, Retry(300))]
    assert p.book.states() == [State.UNKNOWN]


async def test_a_copy_for_somebody_who_has_it_is_a_duplicate_and_leaves_the_others_owed():
    p = Play()
    mark = await p.marks.begin(THREE, Attempt(NOON), Hand(b"one"))
    assert isinstance(mark, Mark)
    await p.book.end(mark.key, b"one", Record(State.OWED, (2,)))
    found = await p.marks.begin(THREE, Attempt(NOON, owed=(1,)), Hand(b"two"))
    assert found == Verdict("", branches=(Branch(Drop(), Reason.DUPLICATE),))
    assert p.book.rows[mark.key].owed == (2,)
