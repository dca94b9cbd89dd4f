"""Taking turns in an event loop: who waits is let on, sent aside or given up, and nothing of it is left behind."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from config.errors import StoreUnavailable
from config.limits import Limits
from consumer.lane_line import LITTLE
from consumer.lane_memory import from_bytes
from consumer.outcome import Reason
from consumer.turns import Ask, GoAside
from consumer.turns_driver import LaneTurns
from tests.waiting import eventually
from transports.errors import Code, Throttled

FOUR = Limits(4)
ONE = Limits(1)
FAST = Limits(4, per_minute=3000)


class Clock:
    """The real clocks, moved on by ``ahead`` seconds."""

    def __init__(self):
        self.ahead = 0.0

    def monotonic(self):
        return time.monotonic() + self.ahead

    def wall(self):
        return datetime.fromtimestamp(time.time() + self.ahead, UTC)


class Memories:
    """Stored memories; each read is counted, and waits while ``slow`` is set."""

    def __init__(self):
        self.stored, self.reads, self.away = {}, [], False
        self.open = asyncio.Event()
        self.open.set()

    async def read(self, key):
        self.reads.append(key)
        await self.open.wait()
        if self.away:
            raise StoreUnavailable("the database does not answer")
        return self.stored.get(key)


class Mail:
    """A task that takes a turn, holds it until told, and says how far it is."""

    def __init__(self, turns, ask, error=None, ends=True):
        self.stage, self.go, self.error, self.ends = "new", asyncio.Event(), error, ends
        self.checked = asyncio.Event()
        self.checked.set()
        self.task = asyncio.create_task(self._run(turns, ask))

    async def _run(self, turns, ask):
        async with turns.take(ask) as turn:
            self.stage = "near"
            await self.checked.wait()
            await turn.granted()
            self.stage = "under way"
            await self.go.wait()
            if self.ends:
                turn.ended(self.error)
        self.stage = "done"

    async def end(self):
        self.go.set()
        await self.task


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def memories():
    return Memories()


@pytest.fixture
def turns(clock, memories):
    return process(clock, memories)


def process(clock, memories, owner="one"):
    return LaneTurns(clock=clock.monotonic, now=clock.wall, remembered=memories.read, deadline=5.0, owner=owner)


def acme(limits=FOUR, **how):
    return Ask("acme", "acme", limits, **how)


def stages(mails):
    return [mail.stage for mail in mails]


def memory_of(turns) -> Any:
    """The one memory that is to be written."""
    [(key, raw)] = turns.dirty()
    assert key == "acme"
    return from_bytes(raw)


def write(turns, memories):
    memories.stored.update(turns.dirty())


async def test_a_mail_that_may_leave_is_held_up_by_nothing(turns):
    async with turns.take(acme()) as turn:
        await turn.granted()
        turn.ended(None)
    assert turns.pressure().under_way == 0


async def test_who_waits_goes_when_another_has_ended_and_before_its_block_is_left(turns):
    mails = [Mail(turns, acme(ONE)) for _ in range(3)]
    await eventually(lambda: stages(mails) == ["under way", "near", "new"])
    assert turns.pressure().waiting == 2
    for mail in mails:
        await mail.end()
    assert (turns.pressure().waiting, turns.pressure().under_way) == (0, 0)


async def test_a_paced_lane_lets_one_after_the_other_go_by_itself(turns):
    started = time.monotonic()
    mails = [Mail(turns, acme(FAST)) for _ in range(10)]
    await asyncio.gather(*(mail.end() for mail in mails))
    assert time.monotonic() - started >= 9 * 0.02


@pytest.mark.parametrize("stage", ["new", "near", "under way"])
async def test_who_is_cancelled_leaves_its_place_to_the_next(turns, stage):
    mails = [Mail(turns, acme(ONE)) for _ in range(4)]
    await eventually(lambda: stages(mails) == ["under way", "near", "new", "new"])
    victim = next(mail for mail in mails if mail.stage == stage)
    victim.task.cancel()
    await asyncio.wait([victim.task])
    for mail in mails:
        if mail is not victim:
            await mail.end()
    assert (turns.pressure().waiting, turns.pressure().under_way) == (0, 0)


async def test_who_finds_that_it_need_not_leave_counts_for_nothing(turns):
    async with turns.take(acme(Limits(1, per_day=1))):
        pass
    async with turns.take(acme(Limits(1, per_day=1))) as turn:
        await turn.granted()


async def test_a_send_whose_end_nobody_tells_counts_and_frees_its_place(turns):
    await Mail(turns, acme(Limits(1, per_day=1)), ends=False).end()
    with pytest.raises(GoAside) as aside:
        async with turns.take(acme(Limits(1, per_day=1))):
            pytest.fail("the day is over")
    assert aside.value.reason is Reason.PACED
    assert not aside.value.platform


async def test_who_waits_is_sent_aside_when_the_provider_wants_no_more(turns):
    first = Mail(turns, acme(ONE), error=Throttled(Code.THROTTLED, retry_after=60.0))
    others = [Mail(turns, acme(ONE)) for _ in range(3)]
    await eventually(lambda: stages([first, *others]) == ["under way", "near", "new", "new"])
    await first.end()
    for mail in others:
        with pytest.raises(GoAside) as aside:
            await mail.task
        assert aside.value.reason is Code.THROTTLED
        assert 59 < aside.value.after < 64
    assert turns.pressure().held == 1


async def test_who_asks_while_the_lane_is_closed_is_sent_aside_when_it_wants_to_start(turns):
    first, second = Mail(turns, acme(), error=Throttled(Code.THROTTLED, retry_after=60.0)), Mail(turns, acme())
    second.checked.clear()
    await eventually(lambda: stages([first, second]) == ["under way", "under way"] or second.stage == "near")
    await first.end()
    second.checked.set()
    with pytest.raises(GoAside):
        await second.task


PACED_ONE = Limits(1, per_minute=60_000)


async def test_nobody_waits_much_longer_than_two_seconds(turns, clock):
    first = Mail(turns, acme(PACED_ONE))
    others = [Mail(turns, acme(PACED_ONE)) for _ in range(3)]
    await eventually(lambda: stages([first, *others]) == ["under way", "near", "new", "new"])
    started = time.monotonic()
    found = await asyncio.gather(*(mail.task for mail in others), return_exceptions=True)
    assert all(isinstance(error, GoAside) for error in found)
    assert 1.9 < time.monotonic() - started < 4
    await first.end()


async def test_organisations_share_the_platforms_lane_and_nothing_is_read_or_written_of_it(turns, memories):
    mails = [Mail(turns, Ask("", name, Limits(2, per_minute=6000))) for name in ("acme", "globex", "initech")]
    await asyncio.gather(*(mail.end() for mail in mails))
    assert len(turns) == 1
    assert memories.reads == []
    assert turns.dirty() == []


async def test_a_lane_is_read_once_for_all_who_ask_at_the_same_time(turns, memories):
    memories.open.clear()
    mails = [Mail(turns, acme()) for _ in range(3)]
    await eventually(lambda: memories.reads)
    mails[0].task.cancel()
    await asyncio.wait([mails[0].task])
    memories.open.set()
    for mail in mails[1:]:
        await mail.end()
    assert memories.reads == ["acme"]


async def test_a_lane_that_cannot_be_read_lets_nobody_in_and_is_read_again(turns, memories):
    memories.away = True
    mails = [Mail(turns, acme()) for _ in range(2)]
    found = await asyncio.gather(*(mail.task for mail in mails), return_exceptions=True)
    assert all(isinstance(error, StoreUnavailable) for error in found)
    assert len(turns) == 0
    memories.away = False
    await Mail(turns, acme()).end()
    assert memories.reads == ["acme", "acme"]


async def test_nobody_may_be_there_any_more_when_the_store_says_that_it_is_away(turns, memories):
    memories.away = True
    memories.open.clear()
    mail = Mail(turns, acme())
    await eventually(lambda: memories.reads)
    mail.task.cancel()
    await asyncio.wait([mail.task])
    memories.open.set()
    memories.away = False
    await Mail(turns, acme()).end()


async def test_what_changed_is_given_once_and_before_a_mail_starts(turns):
    limits = Limits(4, per_minute=60)
    async with turns.take(acme(limits)) as turn:
        assert memory_of(turns).busy == 1
        assert turns.dirty() == []
        await turn.granted()
        turn.ended(None)
        memory = memory_of(turns)
        assert (memory.busy, len(memory.ends)) == (0, 1)
    assert turns.dirty() == []


async def test_without_a_rate_or_a_budget_a_mail_changes_nothing(turns):
    await Mail(turns, acme()).end()
    assert turns.dirty() == []


async def test_another_process_goes_on_by_what_was_written(turns, clock, memories):
    limits = Limits(1, per_day=2)
    for _ in range(2):
        await Mail(turns, acme(limits)).end()
    write(turns, memories)
    with pytest.raises(GoAside):
        await Mail(process(clock, memories, "two"), acme(limits)).task


async def test_a_lane_that_was_empty_is_read_again_as_another_process_may_have_used_it(turns, clock, memories):
    limits = Limits(1, per_minute=2)
    await Mail(turns, acme(limits)).end()
    write(turns, memories)
    clock.ahead += 31
    other = process(clock, memories, "two")
    await Mail(other, acme(limits)).end()
    write(other, memories)
    clock.ahead += 2
    with pytest.raises(GoAside):
        await Mail(turns, acme(limits)).task


async def test_a_lane_that_only_this_process_used_goes_on(turns, clock, memories):
    limits = Limits(1, per_minute=2)
    async with turns.take(acme(limits)) as turn:
        write(turns, memories)  # and never again, though it ends
        await turn.granted()
    clock.ahead += 62
    await Mail(turns, acme(limits)).end()
    assert memories.reads == ["acme", "acme"]


async def test_lanes_that_nobody_uses_are_dropped_once_they_are_written(turns, clock, memories):
    await Mail(turns, acme(FAST)).end()
    busy = Mail(turns, Ask("globex", "globex", FAST))
    await eventually(lambda: busy.stage == "under way")
    write(turns, memories)
    assert turns.drop_idle() == 0
    clock.ahead += 301
    assert turns.drop_idle() == 1
    assert len(turns) == 1
    await busy.end()
    clock.ahead += 301
    assert turns.drop_idle() == 0  # its last mail is not written yet
    write(turns, memories)
    assert turns.drop_idle() == 1


async def test_new_limits_hold_from_the_next_mail_on(turns):
    mails = [Mail(turns, acme(ONE)), Mail(turns, acme(Limits(2)))]
    await eventually(lambda: stages(mails) == ["under way", "under way"])
    for mail in mails:
        await mail.end()


async def test_another_account_of_the_organisation_has_not_been_throttled(turns):
    await Mail(turns, acme(), error=Throttled(Code.THROTTLED, retry_after=600.0)).end()
    turns.forgive("acme")
    turns.forgive("globex")
    await Mail(turns, acme()).end()


async def test_what_a_mail_takes_is_learnt_from_when_it_is_handed_over(turns, clock):
    limits = Limits(1, per_day=100)
    async with turns.take(acme(limits)) as turn:
        turn.begins()  # too early, so nothing begins
        await turn.granted()
        clock.ahead += 60
        turn.begins()
        turn.ended(None)
    assert memory_of(turns).usual < 0.25
    async with turns.take(acme(limits)) as turn:
        await turn.granted()
        clock.ahead += 60
        turn.ended(None)
    assert memory_of(turns).usual < 0.25


async def test_a_mail_for_another_account_meets_nothing_of_the_one_before(turns, clock, memories):
    limits = Limits(1, per_day=1)
    await Mail(turns, acme(limits, fingerprint="old")).end()
    with pytest.raises(GoAside):
        await Mail(turns, acme(limits, fingerprint="old")).task
    write(turns, memories)
    await Mail(process(clock, memories, "two"), acme(limits, fingerprint="new")).end()
    await Mail(turns, acme(limits, fingerprint="new")).end()
    assert memory_of(turns).account == "new"


async def test_an_organisation_with_much_in_hand_is_skimmed_off_where_its_partition_is_crowded(turns):
    asks = {name: Ask("", name, ONE, crowded=name == "acme") for name in ("acme", "globex")}
    mails = [Mail(turns, ask) for ask in asks.values() for _ in range(LITTLE)]
    await eventually(lambda: turns.pressure().waiting == 2 * LITTLE - 1)
    assert turns.skim("globex", due=False) is None  # whose lane that is, is not known
    aside = turns.skim("acme", due=False)
    assert aside is not None
    assert aside.reason is Reason.CROWDED
    assert turns.skim("acme", due=True) is None
    turns.drop_idle()
    assert turns.skim("acme", due=False) is None
    for mail in mails:
        mail.task.cancel()
    await asyncio.gather(*(mail.task for mail in mails), return_exceptions=True)


async def test_a_flood_of_slow_mail_leaves_room_in_the_platforms_lane(turns):
    flood = [Mail(turns, Ask("", "flood", FOUR)) for _ in range(12)]
    await eventually(lambda: stages(flood).count("under way") == 3)
    small = Mail(turns, Ask("", "small", FOUR))
    await eventually(lambda: small.stage == "under way")
    await small.end()
    for mail in flood:
        mail.go.set()
    await asyncio.gather(*(mail.task for mail in flood))
    assert (turns.pressure().waiting, turns.pressure().under_way) == (0, 0)


async def test_a_turn_outside_its_block_is_a_mistake(turns):
    turn = turns.take(acme())
    with pytest.raises(RuntimeError):
        await turn.granted()
