"""Dead letters that were on record when something broke: each is written, whatever its message met meanwhile."""

import asyncio
from datetime import timedelta

from consumer import names
from consumer.broker import PublishFailed
from consumer.broker_errors import Reason as Failure
from consumer.outcome import Reason
from consumer.turns import GoAside
from tests.doubles import Delivered
from tests.unit.test_delivery import world
from tests.unit.test_worker_redelivery import BODY, Consuming
from tests.waiting import eventually
from transports.errors import Code, MessageRefused


async def test_one_whose_process_died_is_written_after_its_event_had_to_wait(tmp_path):
    async with world(tmp_path, MessageRefused(Code.MESSAGE_REFUSED)) as w:
        dying, first = Consuming(w), Delivered(BODY)

        def dies():
            first.ours = False
            raise PublishFailed(Failure.DISCONNECTED)

        dying.publish.then = dies
        dying.take(first)
        await dying.idle()
        living = Consuming(w)
        w.road.aside = GoAside(15.0, Reason.BREAKER_OPEN)
        again = await living.handle(redelivered=True)
        (later,) = living.publish.copies
        assert (again.acked, later.exchange) == (1, names.LATER)
        w.road.aside = None
        w.now += timedelta(minutes=1)
        back = await living.handle(later.body, later.headers)
        assert (back.acked, living.publish.copies[-1].exchange) == (1, names.DEAD)
        assert living.publish.copies[-1].headers[names.H_REASON] == "message_refused"
        assert len(w.own.tried) == 1


async def test_one_whose_event_was_published_twice_byte_for_byte_is_written_once(tmp_path):
    async with world(tmp_path, MessageRefused(Code.MESSAGE_REFUSED)) as w:
        c, tried, broken = Consuming(w), asyncio.Event(), True

        def fails():
            if broken:
                tried.set()
                raise PublishFailed(Failure.DISCONNECTED)

        c.publish.then = fails
        first, second = Delivered(BODY), Delivered(BODY)
        c.take(first)
        await tried.wait()
        c.take(second)
        await eventually(lambda: second.acked)
        first.ours = False
        await c.idle()
        broken = False
        c.publish.copies.clear()
        again = await c.handle(redelivered=True)
        assert (again.acked, [copy.exchange for copy in c.publish.copies]) == (1, [names.DEAD])
