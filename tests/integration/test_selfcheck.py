"""Whether a replica notices that it is, or is not, really consuming."""

import asyncio
import random
from collections import Counter
from contextlib import asynccontextmanager

from consumer import names
from consumer.broker import Broker, Properties
from consumer.selfcheck import SelfCheck
from consumer.topology import apply_topology
from tests.waiting import eventually

PARTITIONS = names.partitions(3)


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Replica:
    """A broker client that consumes every partition; those in ``deaf`` swallow what they are given."""

    def __init__(self, broker, name, clock):
        self.broker = broker
        self.deaf = set()
        self.subscriptions = {
            partition: broker.subscribe(
                names.work_queue(partition),
                prefetch=1,
                on_message=lambda incoming, at=partition: self.receive(incoming, at),
            )
            for partition in PARTITIONS
        }
        self.held: Counter[str] = Counter()
        self.check = SelfCheck(
            broker, self.subscriptions, replica=name, held=lambda partition: self.held[partition], clock=clock
        )

    def receive(self, incoming, partition):
        if partition in self.deaf:
            return
        self.check.delivered(partition)
        incoming.ack()

    async def subscribed(self):
        await eventually(lambda: self.check.subscribed_count == len(PARTITIONS))


@asynccontextmanager
async def brokers(url, count):
    await asyncio.to_thread(apply_topology, url, len(PARTITIONS))
    started = [Broker([url], name=f"replica-{n}", source=random.Random(n)) for n in range(count)]
    try:
        for broker in started:
            await broker.start()
            async with asyncio.timeout(20):
                await broker.wait_connected()
        yield started
    finally:
        for broker in started:
            await broker.close()


async def test_a_silent_partition_is_probed_and_found_active(vhost):
    async with brokers(vhost, 1) as (broker,):
        replica = Replica(broker, "one", Clock())
        await replica.subscribed()
        assert replica.check.active_count == 0
        await replica.check.round()
        await eventually(lambda: replica.check.active_count == len(PARTITIONS))
        assert replica.check.complete


async def test_only_the_active_consumer_of_two_finds_itself_active(vhost):
    async with brokers(vhost, 2) as (first, second):
        clock = Clock()
        active = Replica(first, "one", clock)
        await active.subscribed()
        standby = Replica(second, "two", clock)
        await standby.subscribed()
        await standby.check.round()
        await eventually(lambda: active.check.active_count == len(PARTITIONS))
        assert standby.check.active_count == 0
        assert standby.check.complete


async def test_a_partition_that_was_silent_for_long_no_longer_counts_as_active(vhost):
    async with brokers(vhost, 1) as (broker,):
        clock = Clock()
        replica = Replica(broker, "one", clock)
        await replica.subscribed()
        await replica.check.round()
        await eventually(lambda: replica.check.active_count == len(PARTITIONS))
        clock.now += 60
        assert replica.check.active_count == 0


async def test_a_partition_that_gives_nothing_and_does_not_move_is_subscribed_anew(vhost):
    async with brokers(vhost, 1) as (broker,):
        replica = Replica(broker, "one", Clock())
        await replica.subscribed()
        replica.deaf = {"01"}
        for _ in range(3):
            headers = {names.H_PARTITION: "01", names.H_PROBE: "test"}
            await broker.publish(names.SORT, "x", b"", Properties(headers=headers))
        before = replica.subscriptions["01"].generation
        for _ in range(6):
            await replica.check.round()
        await eventually(lambda: replica.subscriptions["01"].generation > before)
        assert replica.subscriptions["00"].generation == 1


async def test_a_partition_with_mails_in_hand_is_slow_and_not_stalled(vhost):
    async with brokers(vhost, 1) as (broker,):
        replica = Replica(broker, "one", Clock())
        await replica.subscribed()
        replica.deaf = {"01"}
        replica.held["01"] = 1
        for _ in range(3):
            headers = {names.H_PARTITION: "01", names.H_PROBE: "test"}
            await broker.publish(names.SORT, "x", b"", Properties(headers=headers))
        for _ in range(8):
            await replica.check.round()
        assert replica.subscriptions["01"].generation == 1
        assert replica.check.active("01")


class Meanwhile:
    """A broker during whose answer about a queue something else happens."""

    def __init__(self, broker):
        self._broker = broker
        self.then = lambda queue: None

    def __getattr__(self, name):
        return getattr(self._broker, name)

    async def queue_state(self, queue):
        state = await self._broker.queue_state(queue)
        self.then(queue)
        return state


async def test_a_mail_handed_over_while_its_partition_is_looked_at_is_not_dropped(vhost):
    async with brokers(vhost, 1) as (broker,):
        asked = Meanwhile(broker)
        replica = Replica(asked, "one", Clock())
        await replica.subscribed()
        replica.deaf = {"01"}

        async def stalled():
            await replica.check.round()
            return replica.check._partitions["01"].stalled == 3

        def handed_over(queue):
            if queue == names.work_queue("01"):
                replica.held["01"] = 1

        await eventually(stalled)
        asked.then = handed_over
        await replica.check.round()
        assert replica.held["01"] == 1
        assert replica.subscriptions["01"].active
        assert replica.check.complete
