"""The way of an event through a real broker: what is published, with which headers, and when it is acknowledged."""

import asyncio
import itertools
import random
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from config.organizations import Directory
from config.store import Store
from config.store_quarantine import QuarantineStore
from config.testing import organizations_in, smtp_form, sqlite_url
from consumer import names
from consumer.attempt import stamp
from consumer.background import Background
from consumer.broker import Broker, Incoming, Properties
from consumer.delivery import Delivery, Surroundings
from consumer.endings import Endings
from consumer.gate import Gate
from consumer.holding import PlatformHold
from consumer.intake import Intake
from consumer.metrics import Metrics
from consumer.notices import Notices
from consumer.parking import Parking
from consumer.partition import partition_of
from consumer.platform_trouble import PlatformTrouble
from consumer.quarantine import Quarantine
from consumer.recent import Recent
from consumer.retry import Policy
from consumer.routing import PlatformDefault
from consumer.settle import Settler
from consumer.topology import apply_topology
from consumer.worker import Parts, Worker
from tests.books import Book
from tests.builders import event_bytes
from tests.doubles import OpenRoad
from tests.unit.test_delivery import lanes
from tests.waiting import eventually
from transports import errors
from transports.cache import TransportCache
from transports.errors import Code
from transports.message import Mailbox, Receipt
from transports.smtp.settings import Security, SmtpSettings
from transports.testing import ScriptedTransport

PARTITIONS = 4
ACME = partition_of("acme", PARTITIONS)
DEFAULT = PlatformDefault(
    SmtpSettings("relay.platform.example", 25, Security.NONE), Mailbox("no-reply@platform.example", "Platform")
)
POLICY = Policy(jitter=0)
EXPIRED = "2020-01-01T00:00:00Z"


def now():
    return datetime.now(UTC)


class Staying(ScriptedTransport):
    """Serves every version of an account's settings, so that a test sees all mails in one place."""

    async def aclose(self):
        pass


class World:
    """One worker on a real broker, with a scripted transport at the far end."""

    def __init__(self, broker, organizations, transport, marks):
        self.broker, self.organizations, self.transport, self.marks = broker, organizations, transport, marks
        self.metrics = Metrics("test")
        self.background = Background()
        self.directory = Directory(organizations, clock=time.monotonic)
        copies = itertools.count(1)
        self.new_copy = lambda: f"copy-{next(copies)}"
        notices = Notices(broker.publish, self.background, now=now, per_event=True)
        self.book = Book(time.monotonic)
        surroundings = Surroundings(
            directory=self.directory,
            organizations=organizations,
            transports=TransportCache(lambda account: transport, 10, time.monotonic),
            ledger=self.book,
            turns=lanes(10.0),
            breakers=OpenRoad(),
            holding=PlatformHold(time.monotonic, 10.0),
            trouble=PlatformTrouble(self.metrics, time.monotonic),
            metrics=self.metrics,
            notices=notices,
            default=DEFAULT,
            policy=POLICY,
            deadline=10.0,
            now=now,
            clock=time.monotonic,
            random=lambda: 0.5,
        )
        intake = Intake(
            Delivery(surroundings),
            metrics=self.metrics,
            partitions=PARTITIONS,
            max_bytes=1_000_000,
            policy=POLICY,
            now=now,
            random=lambda: 0.5,
        )
        settler = Settler(
            broker.publish, metrics=self.metrics, endings=Endings(self.metrics, notices, now), now=now,
            new_copy=self.new_copy, ledger=self.book,
        )  # fmt: skip
        quarantine = Quarantine(marks, Gate(time.monotonic), now=now, digest=lambda body: body[:16])
        self.worker = Worker(Parts(intake, settler, quarantine, Recent()))
        self.worker.allow(True)

    def consume(self, *, prefetch=8):
        for partition in names.partitions(PARTITIONS):
            self.broker.subscribe(
                names.work_queue(partition),
                prefetch=prefetch,
                on_message=lambda incoming, at=partition: self.worker.receive(incoming, at),
            )
        self.broker.subscribe(names.UNSORTED, prefetch=8, on_message=lambda incoming: self.worker.receive(incoming, ""))

    async def publish(self, body, *, exchange=names.NOTIFICATIONS, partition=ACME, **headers):
        ours = {name.replace("_", "-"): value for name, value in headers.items()}
        ours |= {names.H_ORGANIZATION: "acme"} | ({names.H_PARTITION: partition} if partition else {})
        await self.broker.publish(exchange, "x", body, Properties(message_id="event-1", headers=ours))

    async def waits(self, queue, count=1):
        async def depth():
            return (await self.broker.queue_state(queue)).ready == count

        await eventually(depth, what=f"{queue} has {count}")

    async def take(self, queue):
        """The one message of a queue, taken off it."""
        arrived: asyncio.Queue[Incoming] = asyncio.Queue()
        self.broker.subscribe(queue, prefetch=1, on_message=arrived.put_nowait)
        async with asyncio.timeout(10):
            incoming = await arrived.get()
        incoming.ack()
        return incoming


@asynccontextmanager
async def world(folder, url, *steps):
    await asyncio.to_thread(apply_topology, url, PARTITIONS)
    broker = Broker([url], name="test", source=random.Random(1))
    async with organizations_in(folder, acme=smtp_form()) as organizations:
        store = await Store.open(sqlite_url(folder))
        await broker.start()
        try:
            async with asyncio.timeout(20):
                await broker.wait_connected()
            yield World(broker, organizations, Staying(steps), QuarantineStore(store))
        finally:
            await broker.close()
            await store.close()


async def test_an_event_is_handed_off_and_acknowledged(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        w.consume()
        await w.publish(event_bytes())
        await eventually(lambda: w.transport.mails)
        await eventually(lambda: w.worker.in_hand == 0)
        await w.waits(names.work_queue(ACME), 0)


async def test_an_event_without_partition_header_goes_one_hop_further(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        w.consume()
        await w.publish(event_bytes(), partition=None)
        await eventually(lambda: w.transport.mails)


async def test_an_event_in_another_organizations_partition_is_sent_to_its_own(tmp_path, vhost):
    other = next(p for p in names.partitions(PARTITIONS) if p != ACME)
    async with world(tmp_path, vhost) as w:
        w.consume()
        await w.publish(event_bytes(), partition=other)
        await eventually(lambda: w.transport.mails)


async def test_a_temporary_failure_waits_with_its_state_in_headers(tmp_path, vhost):
    async with world(tmp_path, vhost, errors.Temporary(Code.TEMPORARY_FAILURE, "451 4.3.0")) as w:
        w.consume()
        await w.publish(event_bytes(), x_custom="kept", mailroom_attempt=2, CC=["mailroom.dead"])
        await w.waits(names.wait_queue(300))
        headers = (await w.take(names.wait_queue(300))).properties.headers
    assert headers[names.H_ATTEMPT] == 3
    assert headers[names.H_REASON] == "temporary_failure"
    assert headers[names.H_DETAIL] == "451 4.3.0"
    assert headers[names.H_TRANSPORT] == "smtp"
    assert headers[names.H_PARTITION] == ACME
    assert headers[names.H_CATEGORY] == "task"
    assert headers["x-custom"] == "kept"
    assert "CC" not in headers
    assert datetime.fromisoformat(headers[names.H_NOT_BEFORE]) > now() + timedelta(seconds=290)


async def test_an_event_whose_time_has_not_come_goes_round_again_untouched(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        w.consume()
        due = stamp(now() + timedelta(seconds=70))
        await w.publish(event_bytes(), mailroom_attempt=1, mailroom_not_before=due)
        headers = (await w.take(names.wait_queue(60))).properties.headers
    assert headers[names.H_ATTEMPT] == 1
    assert headers[names.H_NOT_BEFORE][:19] == due[:19]
    assert w.transport.tried == []


async def test_a_permanent_failure_is_a_dead_letter_with_its_reason(tmp_path, vhost):
    async with world(tmp_path, vhost, errors.MessageRefused(Code.MESSAGE_TOO_LARGE, "552 5.3.4")) as w:
        w.consume()
        await w.publish(event_bytes(expirytime="2999-01-01T00:00:00Z"))
        letter = await w.take(names.DEAD)
    headers = letter.properties.headers
    assert letter.body == event_bytes(expirytime="2999-01-01T00:00:00Z")
    assert headers[names.H_REASON] == "message_too_large"
    assert headers[names.H_ORGANIZATION] == "acme"
    assert headers[names.H_EXPIRES] == "2999-01-01T00:00:00.000Z"
    assert headers[names.H_DEAD_AT]


async def test_an_invalid_event_is_a_dead_letter_with_the_fields_path_and_never_its_value(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        w.consume()
        await w.publish(event_bytes({"to": [{"address": "secret-not-an-address"}]}))
        headers = (await w.take(names.DEAD)).properties.headers
    assert headers[names.H_REASON] == "invalid_event"
    assert headers[names.H_FIELD] == "data.to[0].address"
    assert "secret" not in str({k: v for k, v in headers.items() if k.startswith("mailroom-")})


async def test_an_expired_event_is_not_sent(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        w.consume()
        await w.publish(event_bytes(expirytime="2020-01-01T00:00:00Z"))
        headers = (await w.take(names.DEAD)).properties.headers
    assert headers[names.H_REASON] == "expired"
    assert w.transport.tried == []


async def test_only_recipients_still_owed_are_tried_again_and_refused_ones_are_dead(tmp_path, vhost):
    refused = (
        (1, errors.RecipientRefused(Code.RECIPIENT_REFUSED, "550 5.1.1")),
        (2, errors.RecipientDeferred(Code.RECIPIENT_DEFERRED)),
    )
    people = {"to": [{"address": f"r{n}@example.org"} for n in range(3)]}
    async with world(tmp_path, vhost, Receipt("smtp", (0,), refused)) as w:
        w.consume()
        await w.publish(event_bytes(people))
        dead = (await w.take(names.DEAD)).properties.headers
        later = (await w.take(names.wait_queue(15))).properties.headers
    assert (dead[names.H_OWED], dead[names.H_REASON]) == ("1", "recipient_refused")
    assert (later[names.H_OWED], later[names.H_REASON]) == ("2", "recipient_deferred")
    assert dead[names.H_COPY] != later[names.H_COPY]


async def test_parked_events_stay_until_the_account_is_mended_and_then_leave(tmp_path, vhost):
    async with world(tmp_path, vhost, errors.AccountProblem(Code.SIGN_IN_REFUSED, "535 5.7.8")) as w:
        parking = Parking(w.broker, w.directory, default=DEFAULT, now=now, new_copy=w.new_copy)
        w.consume()
        for number in range(5):
            await w.publish(event_bytes(id=f"e{number}"))
            await w.waits(names.parked_queue(ACME), number + 1)
        kept = await parking.sweep(ACME)
        assert (kept.released, kept.kept) == (0, 5)
        await w.waits(names.parked_queue(ACME), 5)
        assert len(w.transport.tried) == 1

        await w.organizations.configure_smtp("acme", smtp_form(username="mended"))
        await w.directory.refresh()
        swept = await parking.sweep(ACME)
        assert (swept.released, swept.kept) == (5, 0)
        await eventually(lambda: len(w.transport.mails) == 5)
    assert len({mail.message_id for mail in w.transport.mails}) == 5


async def test_a_sweep_gives_up_what_expired_or_was_parked_too_long(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        parking = Parking(w.broker, w.directory, default=DEFAULT, now=now, new_copy=w.new_copy)
        old = stamp(now() - timedelta(days=8))
        for body, headers in (
            (event_bytes(id="1", expirytime=EXPIRED), {names.H_EXPIRES: EXPIRED, names.H_PARKED_AT: stamp(now())}),
            (event_bytes(id="2"), {names.H_PARKED_AT: old}),
        ):
            properties = Properties(headers=headers | {names.H_ORGANIZATION: "acme"})
            await w.broker.publish(names.PARKED, ACME, body, properties)
        swept = await parking.sweep(ACME)
        assert (swept.released, swept.kept) == (2, 0)
        w.consume()
        await w.waits(names.DEAD, 2)


async def test_time_spent_parked_is_noted_when_an_event_is_released(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        parking = Parking(w.broker, w.directory, default=DEFAULT, now=now, new_copy=w.new_copy)
        parked = {names.H_PARKED_AT: stamp(now() - timedelta(hours=2)), names.H_PARTITION: ACME}
        properties = Properties(headers=parked | {names.H_ORGANIZATION: "acme"})
        await w.broker.publish(names.PARKED, ACME, event_bytes(), properties)
        await parking.sweep(ACME)
        headers = (await w.take(names.work_queue(ACME))).properties.headers
    assert 7199 <= int(headers[names.H_PAUSED]) <= 7300
    assert names.H_PARKED_AT not in headers


async def test_nothing_starts_while_outcomes_cannot_be_published(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        w.worker.allow(False)
        w.consume()
        await w.publish(event_bytes())
        await eventually(lambda: w.worker.in_hand == 1)
        assert w.transport.tried == []
        w.worker.allow(True)
        await eventually(lambda: w.transport.mails)


async def test_a_drain_finishes_what_runs_and_leaves_the_rest_to_the_next_owner(tmp_path, vhost):
    started, go = asyncio.Event(), asyncio.Event()

    async def slow(mail):
        started.set()
        await go.wait()
        return Receipt("smtp", mail.owed)

    async with world(tmp_path, vhost, slow) as w:
        w.consume(prefetch=8)
        await w.publish(event_bytes(id="first"))
        await started.wait()
        w.worker.allow(False)
        await w.publish(event_bytes(id="second"))
        await eventually(lambda: w.worker.in_hand == 2)
        drain = asyncio.create_task(w.worker.drain(20))
        await asyncio.sleep(0)
        go.set()
        assert await drain == 1
        await w.broker.close()
        assert len(w.transport.tried) == 1
    async with world(tmp_path, vhost) as w:
        await w.waits(names.work_queue(ACME), 1)


async def test_a_drain_settles_a_hanging_send_as_unknown_before_its_time_is_over(tmp_path, vhost):
    started = asyncio.Event()

    async def hanging(mail):
        started.set()
        await asyncio.Event().wait()

    async with world(tmp_path, vhost, hanging) as w:
        w.consume()
        await w.publish(event_bytes())
        await started.wait()
        async with asyncio.timeout(8):
            assert await w.worker.drain(3.5) == 0
        headers = (await w.take(names.wait_queue(300))).properties.headers
    assert (headers[names.H_UNKNOWN], headers[names.H_REASON]) == (1, "outcome_unknown")


async def test_a_channel_lost_during_a_send_does_not_send_twice(tmp_path, vhost):
    started, go = asyncio.Event(), asyncio.Event()

    async def slow(mail):
        started.set()
        await go.wait()
        return Receipt("smtp", mail.owed)

    async with world(tmp_path, vhost, slow) as w:
        seen = []

        def receive(incoming):
            seen.append(incoming)
            w.worker.receive(incoming, ACME)

        subscription = w.broker.subscribe(names.work_queue(ACME), prefetch=8, on_message=receive)
        await w.publish(event_bytes())
        await started.wait()
        subscription.rebuild()
        await eventually(lambda: len(seen) == 2)
        assert seen[1].redelivered
        go.set()
        await eventually(lambda: w.worker.in_hand == 0)
        await w.waits(names.work_queue(ACME), 0)
        assert len(w.transport.tried) == 1


@pytest.mark.parametrize("marks", [1, 3])
async def test_a_redelivered_event_runs_until_it_was_found_dying_too_often(tmp_path, vhost, marks):
    async with world(tmp_path, vhost) as w:
        body = event_bytes()
        for _ in range(marks):
            await w.marks.start(body[:16], now())
        held: asyncio.Queue[Incoming] = asyncio.Queue()

        def bounce(incoming):
            # Events that came back once only run like fresh ones: of those that were being sent the ledger knows.
            if incoming.delivery_count < 2:
                incoming.give_back()
            else:
                held.put_nowait(incoming)

        first = w.broker.subscribe(names.work_queue(ACME), prefetch=1, on_message=bounce)
        await w.publish(body)
        await held.get()
        w.consume()
        first.rebuild()
        await w.broker.unsubscribe(first)
        if marks < 3:
            await eventually(lambda: w.transport.mails)
        else:
            headers = (await w.take(names.DEAD)).properties.headers
            assert headers[names.H_REASON] == "poison"
            assert w.transport.tried == []
        await eventually(lambda: w.worker.in_hand == 0)
        assert await w.marks.tries(body[:16]) == 0


async def test_a_message_worn_by_deaths_of_others_gets_a_fresh_copy(tmp_path, vhost):
    async with world(tmp_path, vhost) as w:
        fresh = asyncio.get_running_loop().create_future()
        worn = False

        def bounce(incoming):
            nonlocal worn
            if worn:
                fresh.set_result(incoming)
            elif incoming.delivery_count < 25:
                incoming.give_back()
            else:
                worn = True
                w.worker.receive(incoming, ACME)

        w.broker.subscribe(names.work_queue(ACME), prefetch=1, on_message=bounce)
        await w.publish(event_bytes())
        async with asyncio.timeout(10):
            copy = await fresh
    assert (copy.delivery_count, copy.redelivered, copy.body) == (0, False, event_bytes())
    assert w.transport.tried == []
