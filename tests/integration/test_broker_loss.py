"""Losing channel, connection and broker in every way, and coming back."""

import asyncio
import random
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from consumer.broker import Broker, Problem, Properties, PublishFailed, QueueState
from consumer.broker_backoff import Backoff
from deploy.local.installation import Installation
from deploy.local.node import PrivateNode
from deploy.local.places import NEWER_RABBITMQ
from tests.fakes.wire import Direction, Wire
from tests.fixtures_broker import newer_available
from tests.integration.broking import Inbox, broker, declare, delete, put, take, through
from tests.waiting import eventually

# Well above what a busy test machine needs to answer, and low enough for the tests that wait for silence.
SHORT_HEARTBEAT = 4


@pytest.fixture
async def wire(vhost: str):
    parts = urlsplit(vhost)
    async with Wire(parts.hostname or "", parts.port or 0) as wire:
        yield wire


@pytest.fixture(scope="module", params=["3.10", "4.x"] if newer_available() else ["3.10"])
def stoppable(request: pytest.FixtureRequest) -> Iterator[PrivateNode]:
    """A node that may be stopped and killed, of each version at hand."""
    if request.param == "3.10":
        yield request.getfixturevalue("own_node")
        return
    if not (NEWER_RABBITMQ / "usr/lib/rabbitmq/bin").exists():
        pytest.skip("RabbitMQ 4 is only given by its address: not stopped")
    with PrivateNode(installation=Installation(NEWER_RABBITMQ)) as node:
        yield node


async def again(client: Broker, inbox: Inbox) -> None:
    """The client publishes and consumes (again)."""
    await eventually(lambda: client.connected, 60.0, what="the connection after the loss")

    async def published():
        try:
            await client.publish("", "work", b"again", Properties())
        except PublishFailed:
            return False
        return True

    await eventually(published, 60.0)
    await eventually(lambda: "again" in inbox.bodies, 60.0, what="a delivery after the loss")


async def test_deleted_queue_is_asked_for_until_it_is_back(vhost: str) -> None:
    """The broker cancels the consumer; the channel goes with it (hazard 6)."""
    declare(vhost, "work")
    put(vhost, "work", ["before"])
    inbox = Inbox()
    async with broker(vhost) as client:
        subscription = client.subscribe("work", prefetch=1, on_message=inbox, on_lost=inbox.lost.append)
        await inbox.holds(1)
        delete(vhost, "work")
        await eventually(lambda: subscription.problem == "closed with 404")
        assert inbox.lost == ["cancelled by the broker"]
        assert not inbox.messages[0].current()
        assert not inbox.messages[0].ack()
        assert not subscription.active
        declare(vhost, "work")
        put(vhost, "work", ["after"])
        await inbox.holds(2)
        await eventually(lambda: subscription.active and subscription.problem is None)
        assert client.connected


async def test_late_ack_of_a_lost_connection_does_not_touch_the_next_one(vhost: str, wire: Wire) -> None:
    """Its tag means another message there, or none, which closes the channel (hazard 4)."""
    declare(vhost, "work")
    put(vhost, "work", ["a", "b"])
    inbox = Inbox()
    async with broker(through(wire, vhost)) as client:
        subscription = client.subscribe("work", prefetch=2, on_message=inbox)
        await inbox.holds(2)
        wire.cut()
        await inbox.holds(4)
        generation = subscription.generation
        assert [message.ack() for message in inbox.messages] == [False, False, True, True]
        assert await client.queue_state("work") == QueueState(ready=0, consumers=1)
        assert subscription.generation == generation
        assert [message.redelivered for message in inbox.messages] == [False, False, True, True]
    assert take(vhost, "work") == []


async def test_wire_cut_anywhere_in_the_stream_loses_nothing(vhost: str, wire: Wire) -> None:
    """Handshake, channel opening, half a frame, half a body: 40 cuts at random places, then a drain."""
    source = random.Random(20261121)
    declare(vhost, "work", delivery_limit=1_000_000)
    bodies = {f"{number} {'x' * 1000}" for number in range(1500)}
    put(vhost, "work", sorted(bodies))
    inbox = Inbox(ack=True)
    quick = Backoff(first=0.01, longest=0.05)
    async with broker(through(wire, vhost), connect=False, backoff=quick) as client:
        client.subscribe("work", prefetch=20, on_message=inbox)
        for _ in range(40):
            way = source.choice(list(Direction))
            wire.cut_after(source.randrange(1, 30_000 if way is Direction.DOWN else 1500), way, new_too=True)
            before = wire.opened
            await eventually(lambda seen=before: wire.opened > seen, 30.0)  # type: ignore[misc]
        wire.heal()
        wire.cut()
        await eventually(lambda: set(inbox.bodies) >= bodies, 60.0)
        await again(client, inbox)
    assert take(vhost, "work") == []


async def test_refused_connections_are_retried_and_the_reason_is_visible(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    inbox = Inbox(ack=True)
    await wire.refuse()
    changes: list[Problem | None] = []
    async with broker(through(wire, vhost), connect=False) as client:
        client.on_change = lambda: changes.append(client.problem)
        client.subscribe("work", prefetch=1, on_message=inbox)
        await eventually(lambda: client.problem is Problem.REFUSED)
        assert not client.connected
        assert client.server_version is None
        await wire.accept()
        await again(client, inbox)
        assert client.problem is None
        assert changes[0] is Problem.REFUSED
        assert changes[-1] is None


async def test_black_hole_ends_an_attempt_in_time_and_the_next_node_is_tried(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    inbox = Inbox(ack=True)
    wire.black_hole()
    async with broker(through(wire, vhost), vhost, connect=False, connect_timeout=0.5) as client:
        client.subscribe("work", prefetch=1, on_message=inbox)
        await again(client, inbox)


async def test_every_node_of_the_list_is_used_when_the_others_are_down(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    inbox = Inbox(ack=True)
    urls = ("amqp://127.0.0.1:9/", "amqp://no-such-host.invalid/", through(wire, vhost))
    async with broker(*urls, connect=False) as client:
        client.subscribe("work", prefetch=1, on_message=inbox)
        await again(client, inbox)
        wire.cut()
        await eventually(lambda: not client.connected)
        inbox.messages.clear()
        await again(client, inbox)


async def test_silent_broker_is_noticed_by_the_missing_heartbeats(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    put(vhost, "work", ["held"])
    inbox = Inbox()
    async with broker(through(wire, vhost), heartbeat=SHORT_HEARTBEAT) as client:
        client.subscribe("work", prefetch=10, on_message=inbox, on_lost=inbox.lost.append)
        await inbox.holds(1)
        began = asyncio.get_running_loop().time()
        wire.freeze()
        await eventually(lambda: inbox.lost == ["broker silent"], 30.0)
        # The broker cannot have given the message away before twice the heartbeat.
        assert asyncio.get_running_loop().time() - began < 2 * SHORT_HEARTBEAT
        assert not inbox.messages[0].current()
        wire.cut()
        wire.thaw()
        await again(client, inbox)


async def test_healthy_idle_connection_is_not_taken_for_silent(vhost: str) -> None:
    async with broker(vhost, heartbeat=1) as client:
        lost: list[bool] = []
        client.on_change = lambda: lost.append(client.connected)
        await asyncio.sleep(4)  # the time is the subject: several heartbeats without traffic
        assert lost == []


@pytest.mark.slow
async def test_channel_that_is_never_closed_by_the_broker_ends_its_connection(vhost: str, wire: Wire) -> None:
    """Otherwise its deliveries would stay with a consumer that nobody listens to."""
    declare(vhost, "work")
    put(vhost, "work", ["held"])
    inbox = Inbox()
    async with broker(through(wire, vhost), heartbeat=60) as client:
        subscription = client.subscribe("work", prefetch=1, on_message=inbox)
        await inbox.holds(1)
        wire.freeze()
        subscription.rebuild()
        await eventually(lambda: not client.connected, 20.0)
        wire.thaw()
        await inbox.holds(2)
        assert inbox.messages[1].ack()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["kill", "stop", "stop_app"])
async def test_broker_that_dies_or_stops_and_returns(stoppable: PrivateNode, how: str) -> None:
    url = stoppable.add_vhost(f"loss-{how}")
    declare(url, "work")
    await asyncio.sleep(2)  # measured: a quorum queue declared within 0.5 s before a kill loses its messages
    put(url, "work", ["held", "waiting"])
    inbox = Inbox()
    async with broker(url) as client:
        subscription = client.subscribe("work", prefetch=1, on_message=inbox, on_lost=inbox.lost.append)
        [held] = await inbox.holds(1)
        await asyncio.to_thread(getattr(stoppable, how))
        await eventually(lambda: not client.connected, 30.0)
        assert not held.current()
        assert not held.ack()
        await asyncio.to_thread(stoppable.start_app if how == "stop_app" else stoppable.start)
        await inbox.holds(2, 60.0)
        assert subscription.active
        assert inbox.messages[1].ack()
        await inbox.holds(3, 60.0)
        # Which comes first depends on whether the broker has noticed by then that the old consumer is gone.
        redelivered = {message.body.decode(): message.redelivered for message in inbox.messages[1:]}
        assert redelivered.keys() == {"held", "waiting"}
        assert redelivered["held"]
        assert inbox.messages[2].ack()
        await again(client, inbox)
        assert inbox.bodies == [*inbox.bodies[:3], "again"]


@pytest.mark.slow
async def test_consumer_timeout_gives_a_new_channel_and_no_ghost(stoppable: PrivateNode) -> None:
    """3.10 closes the channel with 406, 4.3 cancels the consumer; a late ack must not reach the broker in either."""
    url = stoppable.add_vhost("consumer-timeout")
    declare(url, "work")
    stoppable.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1000).")
    stoppable.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 300).")
    put(url, "work", ["slow"])
    inbox = Inbox()
    try:
        async with broker(url) as client:
            subscription = client.subscribe("work", prefetch=5, on_message=inbox, on_lost=inbox.lost.append)
            await inbox.holds(2, 30.0)
            assert inbox.lost[0] in ("closed with 406", "cancelled by the broker")
            assert not inbox.messages[0].ack()
            assert inbox.messages[-1].ack()
            await again(client, inbox)
            assert subscription.generation > 1
    finally:
        stoppable.ctl("eval", "application:set_env(rabbit, consumer_timeout, 1800000).")
        stoppable.ctl("eval", "application:set_env(rabbit, channel_tick_interval, 60000).")


@pytest.mark.slow
async def test_memory_alarm_stops_publishing_and_not_acknowledging(stoppable: PrivateNode) -> None:
    """One connection for both would stop the acks too, and with them every delivery (hazard 8)."""
    url = stoppable.add_vhost("alarm")
    declare(url, "work")
    declare(url, "later")
    put(url, "work", ["1", "2", "3"])
    inbox = Inbox()
    async with broker(url, confirm_timeout=3.0) as client:
        await client.publish("", "later", b"", Properties())
        client.subscribe("work", prefetch=1, on_message=inbox)
        await inbox.holds(1)
        changes: list[bool] = []
        client.on_change = lambda: changes.append(client.blocked)
        await asyncio.to_thread(stoppable.set_alarm, True)
        try:
            # The broker stops reading in the middle of these: large, so that they do not fit its socket's buffer.
            # Their confirms are missing far longer than the confirm time-out, and that is no failure.
            large = b"x" * 1_000_000
            waiting = [asyncio.create_task(client.publish("", "later", large, Properties())) for _ in range(20)]
            await eventually(lambda: client.blocked)
            for number in range(1, 4):
                await inbox.holds(number)
                assert inbox.messages[number - 1].ack()
            with pytest.raises(PublishFailed) as failed:
                await client.publish("", "later", b"", Properties(), timeout=4.0)
            assert not failed.value.maybe_published
            assert not all(task.done() for task in waiting)
        finally:
            await asyncio.to_thread(stoppable.set_alarm, False)
        await asyncio.wait_for(asyncio.gather(*waiting), 20)  # none has failed
        assert changes == [True, False]
        assert client.connected
    assert len(take(url, "later")) == 21
