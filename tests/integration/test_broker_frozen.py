"""A process that stood still longer than the broker waits must not act on what it believed before."""

import asyncio
import time

from consumer.broker import Properties, PublishFailed, Reason
from tests.integration.broking import Inbox, broker, declare, other_client, put, take
from tests.waiting import eventually

HEARTBEAT = 2
LIMIT = 1.5 * HEARTBEAT


async def test_deliveries_from_before_a_freeze_are_stale_before_anything_else_runs(vhost: str) -> None:
    """Blocking the whole loop is what SIGSTOP is to a process: the deliveries wait in the socket and are read first."""
    declare(vhost, "work")
    put(vhost, "work", ["held"])
    inbox = Inbox()
    async with broker(vhost, heartbeat=HEARTBEAT) as client:
        subscription = client.subscribe("work", prefetch=10, on_message=inbox, on_lost=inbox.lost.append)
        [held] = await inbox.holds(1)
        assert held.current()
        put(vhost, "work", ["in the socket"])
        time.sleep(LIMIT + 0.3)  # the freeze
        assert not held.current()
        assert not held.ack()
        generation = subscription.generation
        await inbox.holds(3)
        assert subscription.generation > generation
        assert inbox.lost == ["process was frozen"]
        # Each came once by the new connection; the one in the socket was not handed over by the old one.
        assert sorted(inbox.bodies[1:]) == ["held", "in the socket"]
        assert all(message.current() for message in inbox.messages[1:])
        assert [message.ack() for message in inbox.messages[1:]] == [True, True]
    assert take(vhost, "work") == []


async def test_short_stall_changes_nothing(vhost: str) -> None:
    declare(vhost, "work")
    put(vhost, "work", ["held"])
    inbox = Inbox()
    async with broker(vhost, heartbeat=HEARTBEAT) as client:
        subscription = client.subscribe("work", prefetch=10, on_message=inbox)
        [held] = await inbox.holds(1)
        time.sleep(LIMIT / 3)  # the stall
        put(vhost, "work", ["next"])
        await inbox.holds(2)
        assert held.ack()
        assert subscription.generation == 1


async def test_publish_is_not_written_on_a_connection_from_before_the_freeze(vhost: str) -> None:
    declare(vhost, "work")
    async with broker(vhost, heartbeat=HEARTBEAT) as client:
        await client.publish("", "work", b"before", Properties())
        stuck = asyncio.create_task(client.publish("", "work", b"around", Properties()))
        time.sleep(LIMIT + 0.3)  # the freeze
        await stuck  # written by the connection that came after
        with other_client(vhost) as channel:
            assert channel.queue_declare("work", passive=True).message_count == 2


async def test_caller_learns_that_its_reason_lapsed_in_the_freeze(vhost: str) -> None:
    """What settle does: publish the retry only while the original is still ours."""
    declare(vhost, "work")
    declare(vhost, "wait")
    put(vhost, "work", ["original"])
    inbox = Inbox()
    async with broker(vhost, heartbeat=HEARTBEAT) as client:
        client.subscribe("work", prefetch=1, on_message=inbox)
        [original] = await inbox.holds(1)
        retry = asyncio.create_task(client.publish("", "wait", b"copy", Properties(), still=original.current))
        time.sleep(LIMIT + 0.3)  # the freeze
        [failure] = await asyncio.gather(retry, return_exceptions=True)
        assert isinstance(failure, PublishFailed)
        assert failure.reason is Reason.ABANDONED
        await eventually(lambda: client.connected)
    assert take(vhost, "wait") == []
