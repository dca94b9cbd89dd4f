"""Consuming, acknowledging and publishing with a real RabbitMQ, when nothing goes wrong or a handler does."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import amqp
import pytest
import uvloop

from consumer.broker import Properties, QueueMissing, QueueState
from deploy.local.management import Management
from tests.fakes.wire import Wire
from tests.integration.broking import Inbox, broker, declare, other_client, put, take, through
from tests.waiting import eventually

EVERYTHING = Properties(
    content_type="application/cloudevents+json",
    content_encoding="utf-8",
    message_id="m-1",
    correlation_id="c-1",
    type="notification.task.created.v1",
    app_id="platform",
    reply_to="answers",
    timestamp=1_790_000_000,
    priority=3,
    headers={"organizationid": "acme", "mailroom-attempt": 2, "mailroom-owed": [0, 2]},
)

pytestmark = pytest.mark.versions


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_message_goes_out_confirmed_and_comes_back_unchanged(
    vhost: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    declare(vhost, "work")

    async def exchange() -> None:
        inbox = Inbox(ack=True)
        async with broker(vhost) as client:
            await client.publish("", "work", b"body", EVERYTHING)
            client.subscribe("work", prefetch=1, on_message=inbox)
            [message] = await inbox.holds(1)
            assert message.body == b"body"
            assert message.properties == EVERYTHING
            assert (message.queue, message.exchange, message.routing_key) == ("work", "", "work")
            assert not message.redelivered
            assert message.delivery_count == 0
            assert client.server_version is not None
            assert client.server_version >= (3, 10)

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(exchange())
    assert take(vhost, "work") == []


async def test_published_messages_are_persistent(vhost: str) -> None:
    declare(vhost, "work")
    async with broker(vhost) as client:
        await client.publish("", "work", b"body", Properties())
    [message] = take(vhost, "work")
    assert message.properties["delivery_mode"] == 2


async def test_prefetch_is_per_subscription_and_an_ack_brings_the_next(vhost: str) -> None:
    for queue in ("one", "two"):
        declare(vhost, queue)
        put(vhost, queue, [f"{queue}-{number}" for number in range(5)])
    one, two = Inbox(), Inbox()
    async with broker(vhost) as client:
        client.subscribe("one", prefetch=2, on_message=one)
        client.subscribe("two", prefetch=3, on_message=two)
        await one.holds(2)
        await two.holds(3)
        assert one.messages[0].ack()
        await one.holds(3)
        assert (one.bodies, two.bodies) == (["one-0", "one-1", "one-2"], ["two-0", "two-1", "two-2"])


async def test_second_ack_of_a_message_sends_nothing(vhost: str) -> None:
    """The broker would close the channel with 406 and redeliver everything else that is held (hazard 4)."""
    declare(vhost, "work")
    put(vhost, "work", ["a", "b"])
    inbox = Inbox()
    async with broker(vhost) as client:
        subscription = client.subscribe("work", prefetch=1, on_message=inbox)
        await inbox.holds(1)
        assert inbox.messages[0].ack()
        assert not inbox.messages[0].ack()
        await inbox.holds(2)
        assert inbox.messages[1].ack()
        assert await client.queue_state("work") == QueueState(ready=0, consumers=1)
        assert subscription.generation == 1
    assert take(vhost, "work") == []


async def test_handler_that_raises_keeps_the_connection_and_only_its_message_pays(vhost: str) -> None:
    """An exception in one of pika's callbacks would tear down the connection (hazard 1)."""
    declare(vhost, "work")
    put(vhost, "work", ["good-1", "bad", "good-2"])
    inbox = Inbox(ack=True)

    def handler(message) -> None:
        if message.body == b"bad" and message.delivery_count == 0:
            raise RuntimeError("bug")
        inbox(message)

    async with broker(vhost) as client:
        subscription = client.subscribe("work", prefetch=3, on_message=handler)
        await inbox.holds(3)
        assert subscription.generation == 1
        assert [(message.body, message.delivery_count) for message in inbox.messages] == [
            (b"good-1", 0),
            (b"good-2", 0),
            (b"bad", 1),
        ]


async def test_temporary_subscription_hears_a_fanout_from_the_moment_it_is_ready(vhost: str) -> None:
    with other_client(vhost) as channel:
        channel.exchange_declare("config", "fanout", durable=True, auto_delete=False)
        ready, inbox = asyncio.Event(), Inbox()
        async with broker(vhost) as client:
            client.subscribe_temporary("config", inbox, ready.set)
            await asyncio.wait_for(ready.wait(), 10)
            channel.basic_publish(amqp.Message("changed"), exchange="config")
            await inbox.holds(1)
            assert inbox.bodies == ["changed"]


async def test_missing_queue_is_told_and_disturbs_nothing(vhost: str) -> None:
    """The 404 closes the channel that asked, with the replies of everything else on it (hazard 3)."""
    declare(vhost, "work")
    put(vhost, "work", ["a", "b"])
    async with broker(vhost) as client:
        answers = await asyncio.gather(
            *(client.queue_state(queue) for queue in ("work", "none", "work")), return_exceptions=True
        )
        assert answers[0] == answers[2] == QueueState(ready=2, consumers=0)
        assert isinstance(answers[1], QueueMissing)
        assert client.connected


async def test_question_given_up_leaves_the_next_one_unharmed(vhost: str) -> None:
    """A late reply to a cancelled wait would raise inside pika and end the connection (hazard 2)."""
    declare(vhost, "work")
    parts = urlsplit(vhost)
    async with Wire(parts.hostname or "", parts.port or 0) as wire, broker(through(wire, vhost)) as client:
        for _ in range(20):
            await client.queue_state("work")
            asking = asyncio.create_task(client.queue_state("work"))
            for _ in range(3):  # turns of the loop, so that the question is on its way
                await asyncio.sleep(0)
            asking.cancel()
        assert await client.queue_state("work") == QueueState(ready=0, consumers=0)
        assert wire.opened == 2  # both connections are still the first ones


async def test_operator_sees_names_and_priorities(vhost: str, management: Management) -> None:
    declare(vhost, "work", single_active_consumer=True)
    async with broker(vhost) as client:
        subscription = client.subscribe("work", prefetch=7, on_message=Inbox(), priority=321)
        await eventually(lambda: subscription.active)

        def consumers():
            listed: Any = management.call("GET", "consumers")
            return [one for one in listed if one["consumer_tag"].startswith("test consume work")]

        [consumer] = await eventually(consumers, 20.0)
        assert consumer["arguments"] == {"x-priority": 321}
        assert consumer["prefetch_count"] == 7

        def named():
            connections: Any = management.call("GET", "connections")
            return {one["client_properties"].get("connection_name") for one in connections}

        await eventually(lambda: {"test consume", "test publish"} <= named(), 20.0, what="both connections are listed")


async def test_subscription_waits_as_long_as_the_server_version_demands(vhost: str) -> None:
    declare(vhost, "work")
    asked: list[tuple[int, ...]] = []

    def delay(version: tuple[int, ...]) -> float:
        asked.append(version)
        return 0.3

    async with broker(vhost) as client:
        began = asyncio.get_running_loop().time()
        subscription = client.subscribe("work", prefetch=1, on_message=Inbox(), delay=delay)
        await eventually(lambda: subscription.active)
        assert asyncio.get_running_loop().time() - began >= 0.3
        assert asked == [client.server_version]
