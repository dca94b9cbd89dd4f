"""A delivery that waits for a free connection of its account: it has not begun, and looks again before it does."""

import asyncio

import pytest

from config.testing import smtp_form
from consumer.attempt import Attempt
from consumer.ledger import State
from consumer.outcome import Dead, Hand, NotBegun, Retry
from tests.builders import NOON, another
from tests.unit.test_delivery import IN_HAND, world
from tests.waiting import eventually

SLOTS = 4


class Held:
    """A transport whose sends wait until they are let go."""

    def __init__(self, transport):
        self._transport, self.begun, self.go = transport, 0, asyncio.Event()

    async def send(self, mail, timeout):
        self.begun += 1
        await self.go.wait()
        return await self._transport.send(mail, timeout)

    async def aclose(self):
        """Nothing to close."""


async def full(w, delivery):
    """As many deliveries as the account has connections, all under way."""
    w.own = Held(w.own)
    under_way = [asyncio.create_task(delivery.deliver(another(), Attempt(NOON), IN_HAND)) for _ in range(SLOTS)]
    await eventually(lambda: w.own.begun == SLOTS)
    return under_way


def waits(delivery):
    """Whether one more than may be under way is there."""
    return delivery._s.turns.pressure().waiting == 1


async def test_it_is_not_begun_when_it_may_not_by_then(tmp_path):
    asked = []

    async def no():
        asked.append(w.own.begun)
        return False

    async with world(tmp_path) as w:
        delivery = w.delivery()
        under_way = await full(w, delivery)
        waiting = asyncio.create_task(delivery.deliver(another(), Attempt(NOON), Hand(begin=no)))
        w.own.go.set()
        with pytest.raises(NotBegun):
            await waiting
        await asyncio.gather(*under_way)
        assert asked == [SLOTS]
        assert w.own.begun == SLOTS


async def test_cancelled_while_it_waits_its_outcome_is_not_unknown(tmp_path):
    async with world(tmp_path) as w:
        delivery = w.delivery()
        under_way = await full(w, delivery)
        waiting = asyncio.create_task(delivery.deliver(another(), Attempt(NOON), IN_HAND))
        await eventually(lambda: waits(delivery))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        w.own.go.set()
        await asyncio.gather(*under_way)


async def test_it_leaves_by_what_is_configured_when_its_turn_comes(tmp_path):
    async with world(tmp_path) as w:
        delivery = w.delivery()
        under_way = await full(w, delivery)
        waiting = asyncio.create_task(delivery.deliver(another(), Attempt(NOON), IN_HAND))
        await eventually(lambda: waits(delivery))
        await w.organizations.configure_smtp("acme", smtp_form(sender_address="new@acme.example"))
        w.directory.invalidate("acme")
        held, w.own = w.own, w.own._transport
        held.go.set()
        await asyncio.gather(*under_way, waiting)
        senders = [mail.sender.address for mail in w.own.mails]
        assert sorted(senders) == sorted(["notifications@acme.example"] * SLOTS + ["new@acme.example"])


async def test_it_leaves_by_what_was_configured_while_mails_could_not_begin(tmp_path):
    """Waiting for a blocked broker can outlast a change of settings: nothing may leave by the platform then (R5)."""
    asked = 0

    async def begin():
        nonlocal asked
        asked += 1
        if asked == 1:
            await w.organizations.configure_smtp("globex", smtp_form())
            await w.directory.refresh()
        return True

    async with world(tmp_path) as w:
        await w.delivery().deliver(another(organizationid="globex"), Attempt(NOON), Hand(begin=begin))
    assert (len(w.platform.tried), len(w.own.tried)) == (0, 1)


async def test_it_is_given_up_when_it_expired_in_the_meantime(tmp_path):
    async with world(tmp_path) as w:
        delivery = w.delivery()
        under_way = await full(w, delivery)
        late = another(expirytime="2026-11-21T12:00:30Z")
        waiting = asyncio.create_task(delivery.deliver(late, Attempt(NOON), IN_HAND))
        await eventually(lambda: waits(delivery))
        w.now = NOON.replace(minute=1)
        w.own.go.set()
        verdict = await waiting
        await asyncio.gather(*under_way)
        assert [(type(branch.decision), branch.reason) for branch in verdict.branches] == [(Dead, "expired")]


async def test_without_a_turn_in_time_it_goes_aside_and_that_is_no_attempt(tmp_path):
    async with world(tmp_path) as w:
        delivery = w.delivery()
        under_way = await full(w, delivery)
        verdict = await delivery.deliver(another(), Attempt(NOON), IN_HAND)
        w.own.go.set()
        await asyncio.gather(*under_way)
    (branch,) = verdict.branches
    assert isinstance(branch.decision, Retry)
    assert (branch.decision.counted, branch.reason) == (False, "paced")
    assert w.own.begun == SLOTS
    assert State.STARTED not in w.book.states()
