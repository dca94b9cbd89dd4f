"""Leaving: what was acknowledged stays acknowledged, what was not goes back, and nobody takes over too early."""

import asyncio
from urllib.parse import urlsplit

import pytest

from consumer.broker import Incoming
from tests.fakes.wire import Direction, Wire
from tests.integration.broking import Inbox, broker, declare, put, take, through
from tests.waiting import eventually

pytestmark = pytest.mark.versions


@pytest.mark.parametrize("acked", [0, 1, 40, 100])
async def test_close_hands_back_exactly_what_was_not_acknowledged(vhost: str, acked: int) -> None:
    """And costs each of those one of its lives at most: pika's own close would reject them besides (hazards 7, 9)."""
    declare(vhost, "work")
    bodies = [str(number) for number in range(100)]
    put(vhost, "work", bodies)
    inbox = Inbox()
    async with broker(vhost) as client:
        client.subscribe("work", prefetch=100, on_message=inbox)
        await inbox.holds(100)
        for message in inbox.messages[:acked]:
            assert message.ack()
        # Closed in the same turn of the loop: the acks are still in our buffer.
        await client.close()
        assert not inbox.messages[-1].ack()
        assert not inbox.messages[-1].current()
    left = take(vhost, "work")
    assert sorted(message.body for message in left) == sorted(bodies[acked:])
    assert {message.headers.get("x-delivery-count", 0) for message in left} <= {1}


@pytest.mark.parametrize("acked", [20, 150])
async def test_close_with_deliveries_streaming_in_loses_no_ack(vhost: str, acked: int) -> None:
    """Two ways to lose some: a bare disconnect with unread deliveries is a reset, and the broker forgets acks that it
    has not read; and a broker's channel that ends too early forgets those beyond its 32 for the queue.
    """
    declare(vhost, "work", delivery_limit=1_000_000)
    bodies = {f"{number} {'x' * 5000}" for number in range(300)}
    for _ in range(5):
        put(vhost, "work", sorted(bodies))
        done: set[str] = set()
        enough = asyncio.Event()

        def handle(message: Incoming, done: set[str] = done, enough: asyncio.Event = enough) -> None:
            if len(done) < acked and message.ack():
                done.add(message.body.decode())
            if len(done) == acked:
                enough.set()

        async with broker(vhost) as client:
            client.subscribe("work", prefetch=200, on_message=handle)
            await enough.wait()
            await client.close()
        left = [message.body for message in take(vhost, "work")]
        assert len(left) == len(set(left))
        assert set(left) == bodies - done


async def test_last_words_are_connection_close_and_no_cancel(vhost: str) -> None:
    parts = urlsplit(vhost)
    declare(vhost, "work")
    put(vhost, "work", ["a", "b"])
    inbox = Inbox()
    async with Wire(parts.hostname or "", parts.port or 0) as wire:
        async with broker(through(wire, vhost)) as client:
            client.subscribe("work", prefetch=2, on_message=inbox)
            await inbox.holds(2)
            for link in wire.links:
                link.last[Direction.UP] = b""
        await eventually(lambda: wire.live == [])
        for link in wire.links:
            assert b"\x00\x0a\x00\x32" in link.last[Direction.UP]  # class 10, method 50: connection.close
            assert b"\x00\x3c\x00\x1e" not in link.last[Direction.UP]  # class 60, method 30: basic.cancel


async def test_standby_takes_over_only_when_the_active_consumer_has_closed(vhost: str) -> None:
    """``basic.cancel`` would hand the queue over at once, with ten messages still held by the old consumer."""
    declare(vhost, "work", single_active_consumer=True)
    put(vhost, "work", [str(number) for number in range(20)])
    active, standby = Inbox(), Inbox()
    async with broker(vhost) as first, broker(vhost) as second:
        first.subscribe("work", prefetch=10, on_message=active)
        await active.holds(10)
        waiting = second.subscribe("work", prefetch=20, on_message=standby)
        await eventually(lambda: waiting.active)
        for message in active.messages[:4]:
            message.ack()
        await active.holds(14)
        assert standby.messages == []
        await first.close()
        await standby.holds(16)
        # What the first one held comes first. After a cancel it would have come last, and overlapped.
        assert standby.bodies == [str(number) for number in range(4, 20)]
        assert [message.delivery_count for message in standby.messages] == [1] * 10 + [0] * 6


async def test_closing_twice_and_before_being_connected_is_harmless() -> None:
    async with broker("amqp://127.0.0.1:9/", connect=False) as client:
        await asyncio.wait_for(client.close(), 10)
        await asyncio.wait_for(client.close(), 10)


async def test_rebuilt_subscription_gets_its_messages_again_and_the_old_ones_are_stale(vhost: str) -> None:
    declare(vhost, "work")
    put(vhost, "work", ["a", "b"])
    inbox = Inbox()
    async with broker(vhost) as client:
        subscription = client.subscribe("work", prefetch=2, on_message=inbox, on_lost=inbox.lost.append)
        await inbox.holds(2)
        subscription.rebuild("looked asleep")
        assert not subscription.active
        assert [message.current() for message in inbox.messages] == [False, False]
        assert [message.ack() for message in inbox.messages] == [False, False]
        await inbox.holds(4)
        await eventually(lambda: subscription.active)
        assert inbox.lost == ["looked asleep"]
        assert [message.ack() for message in inbox.messages[2:]] == [True, True]
        assert client.connected
    assert take(vhost, "work") == []
