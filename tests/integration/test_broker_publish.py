"""Publishing with confirms: every outcome is known, or known to be unknown."""

import asyncio
from collections.abc import Sequence
from urllib.parse import urlsplit

import pytest

from consumer.broker import Broker, Properties, PublishFailed, Reason
from tests.fakes.wire import Direction, Wire
from tests.integration.broking import Inbox, broker, declare, other_client, put, take, through
from tests.waiting import eventually

PLAIN = Properties(content_type="text/plain")

pytestmark = pytest.mark.versions


async def outcomes(client: Broker, targets: Sequence[str], **options) -> list[Reason | None]:
    """Publish one message to each queue at once; for each why it failed, or None."""

    async def one(number: int, queue: str) -> Reason | None:
        try:
            await client.publish("", queue, str(number).encode(), PLAIN, **options)
        except PublishFailed as failed:
            return failed.reason
        return None

    return await asyncio.gather(*(one(number, queue) for number, queue in enumerate(targets)))


@pytest.fixture
async def wire(vhost: str):
    parts = urlsplit(vhost)
    async with Wire(parts.hostname or "", parts.port or 0) as wire:
        yield wire


async def test_only_the_unroutable_ones_of_many_in_flight_come_back(vhost: str) -> None:
    """A return carries no tag, and the same message id may be in flight many times."""
    declare(vhost, "work")
    targets = ["work" if number % 3 else "nowhere" for number in range(300)]
    async with broker(vhost) as client:
        results = await outcomes(client, targets)
    assert results == [None if target == "work" else Reason.RETURNED for target in targets]
    expected = sorted(str(number) for number, target in enumerate(targets) if target == "work")
    assert sorted(message.body for message in take(vhost, "work")) == expected


async def test_unroutable_message_is_accepted_and_gone_when_not_mandatory(vhost: str) -> None:
    async with broker(vhost) as client:
        assert await outcomes(client, ["nowhere"], mandatory=False) == [None]


async def test_full_queue_refuses_and_the_others_are_confirmed(vhost: str) -> None:
    declare(vhost, "full", max_length=5, overflow="reject-publish")
    declare(vhost, "work")
    results: list[Reason | None] = []
    async with broker(vhost) as client:
        for _ in range(30):  # in rounds, as the queue tells the channel that it is full only after a moment
            results += await outcomes(client, ["full", "work"])
        assert client.connected
    assert results[1::2] == [None] * 30
    assert results[0::2].count(Reason.NACKED) >= 20
    assert results[0::2].count(None) == len(take(vhost, "full"))
    assert set(results) == {None, Reason.NACKED}


async def test_missing_exchange_fails_what_is_in_flight_and_publishing_goes_on(vhost: str) -> None:
    declare(vhost, "work")
    async with broker(vhost) as client:
        with pytest.raises(PublishFailed) as failed:
            await client.publish("missing", "key", b"", PLAIN)
        assert failed.value.reason is Reason.DISCONNECTED
        assert failed.value.detail == "closed with 404"
        assert await outcomes(client, ["work"]) == [None]


async def test_republished_message_does_not_carry_the_mark_of_its_publish(vhost: str) -> None:
    declare(vhost, "work")
    async with broker(vhost) as client:
        inbox = Inbox(ack=True)
        await client.publish("", "work", b"", Properties(headers={"kept": "yes"}))
        client.subscribe("work", prefetch=1, on_message=inbox)
        [message] = await inbox.holds(1)
        assert message.properties.headers == {"kept": "yes"}


@pytest.mark.parametrize(
    "properties",
    [
        Properties(message_id="x" * 256),
        Properties(headers={"n" * 256: 1}),
        Properties(headers={"set": {1, 2}}),
        Properties(headers={"big": 2**63}),
        Properties(priority=256),
    ],
    ids=["long id", "long header name", "unknown type", "big integer", "big priority"],
)
async def test_message_that_amqp_cannot_carry_is_refused_before_anything_is_written(
    vhost: str, properties: Properties
) -> None:
    declare(vhost, "work")
    async with broker(vhost) as client:
        with pytest.raises(PublishFailed) as failed:
            await client.publish("", "work", b"", properties)
        assert failed.value.reason is Reason.ENCODING
        assert not failed.value.maybe_published
        assert await outcomes(client, ["work"]) == [None]
    assert len(take(vhost, "work")) == 1


async def test_missing_confirm_ends_in_a_timeout_and_a_new_channel(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost), confirm_timeout=0.5, heartbeat=60) as client:
        assert await outcomes(client, ["work"]) == [None]
        wire.freeze()
        with pytest.raises(PublishFailed) as failed:
            await client.publish("", "work", b"lost?", PLAIN)
        assert failed.value.reason is Reason.TIMEOUT
        assert failed.value.maybe_published
        wire.thaw()

        assert await outcomes(client, ["work"]) == [None]
        assert client.connected
    # The one in doubt may be there or not; the late confirms of its channel were not taken for those of the next.
    assert [message.body for message in take(vhost, "work") if message.body != "lost?"] == ["0", "0"]


async def test_younger_messages_in_flight_end_with_the_channel_of_the_timeout(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost), confirm_timeout=1.0, heartbeat=60) as client:
        await outcomes(client, ["work"])
        wire.freeze()
        older = asyncio.create_task(outcomes(client, ["work"]))
        await asyncio.sleep(0.5)  # the age difference is the subject, not a wait for something to happen
        younger = await outcomes(client, ["work"] * 3)
        assert await older == [Reason.TIMEOUT]
        assert younger == [Reason.DISCONNECTED] * 3
        wire.thaw()


async def test_cut_wire_tells_that_the_messages_may_be_there(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost)) as client:
        await outcomes(client, ["work"])
        wire.cut_after(0, Direction.DOWN)
        with pytest.raises(PublishFailed) as failed:
            await client.publish("", "work", b"perhaps", PLAIN)
        assert (failed.value.reason, failed.value.maybe_published) == (Reason.DISCONNECTED, True)
        await eventually(lambda: client.connected)
        assert await outcomes(client, ["work"]) == [None]


async def test_cancelled_publishes_do_not_harm_those_that_wait(vhost: str, wire: Wire) -> None:
    """A late confirm for a cancelled future would raise inside pika and end the connection (hazard 2)."""
    declare(vhost, "work")
    async with broker(through(wire, vhost), heartbeat=60, window=40) as client:
        await outcomes(client, ["work"])
        wire.freeze()
        tasks = [asyncio.create_task(client.publish("", "work", b"", PLAIN)) for _ in range(40)]
        for _ in range(5):  # turns of the loop, so that all are written
            await asyncio.sleep(0)
        for task in tasks[::2]:
            task.cancel()
        wire.thaw()
        assert await asyncio.gather(*tasks[1::2]) == [None] * 20
        # All places of the window have come back, those of the cancelled ones too.
        assert await asyncio.wait_for(outcomes(client, ["work"] * 100), 10) == [None] * 100
        assert wire.opened == 2  # both connections are still the first ones
    assert len(take(vhost, "work")) == 141


async def test_window_bounds_what_is_written_without_a_confirm(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost), heartbeat=60, window=10) as client:
        await outcomes(client, ["work"])
        wire.freeze()
        before = sum(link.carried[Direction.UP] for link in wire.links)
        tasks = [asyncio.create_task(client.publish("", "work", b"x" * 10_000, PLAIN)) for _ in range(50)]
        await eventually(lambda: all(task.get_coro() is not None for task in tasks))
        for _ in range(20):
            await asyncio.sleep(0)
        for task in tasks[10:]:
            task.cancel()
        wire.thaw()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[:10] == [None] * 10
        written = sum(link.carried[Direction.UP] for link in wire.links) - before
        assert 100_000 < written < 115_000


async def test_callers_limit_ends_the_wait_and_says_whether_anything_was_written(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost), heartbeat=60, window=1) as client:
        await outcomes(client, ["work"])
        wire.freeze()
        first = asyncio.create_task(client.publish("", "work", b"", PLAIN, timeout=0.3))
        second = asyncio.create_task(client.publish("", "work", b"", PLAIN, timeout=0.2))
        failures = await asyncio.gather(first, second, return_exceptions=True)
        assert [(one.reason, one.maybe_published) for one in failures if isinstance(one, PublishFailed)] == [
            (Reason.TIMEOUT, True),
            (Reason.TIMEOUT, False),
        ]
        wire.thaw()
        assert await outcomes(client, ["work"]) == [None]


async def test_publish_whose_reason_has_lapsed_is_not_written(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost)) as client:
        with pytest.raises(PublishFailed) as failed:
            await client.publish("", "work", b"", PLAIN, still=lambda: False)
        assert failed.value.reason is Reason.ABANDONED
    assert take(vhost, "work") == []


async def test_without_a_connection_publishing_waits_and_then_gives_up(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost), confirm_timeout=0.4) as client:
        await wire.refuse()
        wire.cut()
        await eventually(lambda: not client.connected)
        with pytest.raises(PublishFailed) as failed:
            await client.publish("", "work", b"", PLAIN)
        assert (failed.value.reason, failed.value.maybe_published) == (Reason.DISCONNECTED, False)


async def test_publish_during_a_short_interruption_succeeds(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost)) as client:
        wire.cut()
        await eventually(lambda: not client.connected)
        assert await outcomes(client, ["work"] * 5) == [None] * 5


async def test_closing_fails_what_is_unconfirmed_and_refuses_what_comes(vhost: str, wire: Wire) -> None:
    declare(vhost, "work")
    async with broker(through(wire, vhost), heartbeat=60) as client:
        await outcomes(client, ["work"])
        wire.freeze()
        pending = asyncio.create_task(outcomes(client, ["work"]))
        for _ in range(5):  # turns of the loop, so that it is written
            await asyncio.sleep(0)
        closing = asyncio.create_task(client.close())
        assert await pending == [Reason.DISCONNECTED]
        assert await outcomes(client, ["work"]) == [Reason.DISCONNECTED]
        wire.thaw()
        await closing


async def test_closing_ends_the_wait_of_those_that_had_no_connection() -> None:
    async with broker("amqp://127.0.0.1:9/", connect=False, confirm_timeout=60.0) as client:
        waiting = asyncio.create_task(client.publish("", "work", b"", PLAIN))
        await asyncio.sleep(0)
        await client.close()
        with pytest.raises(PublishFailed) as failed:
            await asyncio.wait_for(waiting, 5)
        assert (failed.value.reason, failed.value.maybe_published) == (Reason.DISCONNECTED, False)


async def test_returned_message_of_another_publisher_is_not_mixed_up(vhost: str) -> None:
    """The mark of a publish is only looked up on the channel of the return."""
    declare(vhost, "work")
    with other_client(vhost) as channel:
        channel.queue_bind("work", "amq.fanout")
    put(vhost, "work", ["x"], {"mailroom-publish-id": 1})
    async with broker(vhost) as client:
        await client.publish("amq.fanout", "", b"y", Properties(headers={"mailroom-publish-id": 77}))
    assert [message.body for message in take(vhost, "work")] == ["x", "y"]
