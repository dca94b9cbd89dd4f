"""What comes again: a lost confirm, a lost ack or a lost channel costs no second mail, and convicts nobody."""

import asyncio
import itertools
from datetime import timedelta

import pytest

from consumer import names
from consumer.attempt import Attempt, write
from consumer.broker import PublishFailed
from consumer.broker_errors import Reason as Failure
from consumer.endings import Endings
from consumer.gate import Gate
from consumer.intake import Intake
from consumer.outcome import Finding, Verdict
from consumer.partition import partition_of
from consumer.quarantine import TRIES, Quarantine
from consumer.recent import Recent
from consumer.retry import Policy
from consumer.settle import Settler
from consumer.worker import Parts, Worker
from tests.builders import NOON, event_bytes
from tests.doubles import Delivered, Marks, Publications
from tests.unit.test_delivery import world
from tests.unit.test_gate import Clock, turns
from tests.waiting import eventually
from transports import errors
from transports.errors import Code
from transports.message import Receipt

PARTITIONS = 4
ACME = partition_of("acme", PARTITIONS)
BODY = event_bytes()


def quarantine(marks):
    return Quarantine(marks, Gate(Clock()), now=lambda: NOON, digest=lambda body: body)


class Consuming:
    """A worker on a world's delivery; what it publishes is kept, and comes back only when a test says so."""

    def __init__(self, w, marks=None):
        def now():
            return w.now

        numbers = itertools.count(1)
        self.publish = Publications()
        intake = Intake(
            w.delivery(), metrics=w.metrics, partitions=PARTITIONS, max_bytes=1_000_000, policy=Policy(jitter=0),
            now=now, random=lambda: 0.5,
        )  # fmt: skip
        settler = Settler(
            self.publish, metrics=w.metrics, endings=Endings(w.metrics, w.told, now), now=now,
            new_copy=lambda: f"copy-{next(numbers)}", ledger=w.book,
        )  # fmt: skip
        self.worker = Worker(Parts(intake, settler, quarantine(marks or Marks()), Recent()))
        self.worker.allow(True)

    def receive(self, body=BODY, headers=None, **options):
        delivered = Delivered(body, headers, **options)
        self.take(delivered)
        return delivered

    def take(self, delivered):
        self.worker.receive(delivered, ACME)

    async def idle(self):
        await eventually(lambda: not self.worker.in_hand)

    async def handle(self, *args, **options):
        delivered = self.receive(*args, **options)
        await self.idle()
        return delivered

    async def all_come_back(self):
        """Every copy that was published so far is delivered, one after the other."""
        for copy in tuple(self.publish.copies):
            await self.handle(copy.body, copy.headers)


async def test_a_confirm_that_is_lost_with_its_channel_does_not_double_the_event(tmp_path):
    async with world(tmp_path, errors.Unreachable(Code.CONNECT_FAILED)) as w:
        c = Consuming(w)
        first = Delivered(BODY)

        def lost():
            if first.ours:
                first.ours = False
                raise PublishFailed(Failure.DISCONNECTED, maybe_published=True)

        c.publish.then = lost
        c.take(first)
        await c.idle()
        again = await c.handle(redelivered=True)
        assert (first.acked, again.acked) == (0, 1)
        assert [copy.headers[names.H_COPY] for copy in c.publish.copies] == ["copy-1", "copy-1"]
        w.now += timedelta(minutes=1)
        await c.all_come_back()
        assert len(w.own.mails) == 1


async def test_an_ack_that_is_lost_while_an_event_waits_its_pause_does_not_double_it(tmp_path):
    early = write(Attempt(NOON, number=1, not_before=NOON + timedelta(seconds=100), copy="early"))
    async with world(tmp_path) as w:
        c = Consuming(w)
        first = Delivered(BODY, early)

        def lost():
            first.ours = False

        c.publish.then = lost
        c.take(first)
        await c.idle()
        again = await c.handle(BODY, early, redelivered=True)
        assert (first.acked, again.acked) == (0, 1)
        w.now += timedelta(minutes=5)
        await c.all_come_back()
        assert len(w.own.mails) == 1


async def test_an_ack_that_is_lost_is_remembered_also_when_the_message_is_worn_by_then(tmp_path):
    async with world(tmp_path) as w:
        c = Consuming(w)
        first = Delivered(BODY, count=24)

        async def accepted(mail):
            first.ours = False
            return Receipt("smtp", mail.owed)

        w.own._steps = iter([accepted])
        c.take(first)
        await c.idle()
        again = await c.handle(redelivered=True, count=25)
        assert again.acked == 1
        assert c.publish.copies == []
        assert len(w.own.mails) == 1


async def test_two_copies_under_one_identifier_that_start_together_are_one_mail(tmp_path):
    async with world(tmp_path) as w:
        c = Consuming(w)
        c.worker.allow(False)
        both = [c.receive(BODY, {names.H_COPY: "twice"}) for _ in range(2)]
        await turns()
        c.worker.allow(True)
        await c.idle()
        assert [one.acked for one in both] == [1, 1]
        assert len(w.own.mails) == 1


async def test_of_those_who_wait_for_a_delivery_that_is_given_up_one_does_the_work():
    recent, begun, found = Recent(), [], []
    given_up = recent.begin(b"key")

    async def wait():
        record = await recent.find(b"key")
        if record is None:
            begun.append(recent.begin(b"key"))
        else:
            found.append(record)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(wait())
        await turns()
        recent.end(b"key", given_up, None)
        await turns()
        assert len(begun) == 1
        recent.end(b"key", begun[0], Finding(Attempt(NOON), None, Verdict("")))
    assert found == begun * 2


async def test_a_conviction_that_could_not_be_settled_stands(tmp_path):
    async with world(tmp_path) as w:
        marks = Marks()
        marks.counts[BODY] = TRIES
        c = Consuming(w, marks)
        convicted = Delivered(BODY, redelivered=True, count=TRIES)

        def lost():
            convicted.ours = False
            raise PublishFailed(Failure.DISCONNECTED)

        c.publish.then = lost
        c.take(convicted)
        await c.idle()
        assert marks.counts[BODY] == TRIES
        c.publish.then = lambda: None
        again = await c.handle(redelivered=True, count=TRIES + 1)
        assert again.acked == 1
        assert c.publish.copies[-1].headers[names.H_REASON] == "poison"
        assert marks.counts[BODY] == 0
        assert w.own.tried == []


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59.999999+00:00", "2029-01-01T00:00:00Z"])
async def test_a_pause_that_no_one_here_asked_for_does_not_hold_an_event(tmp_path, moment):
    async with world(tmp_path) as w:
        c = Consuming(w)
        delivered = await c.handle(BODY, {names.H_NOT_BEFORE: moment})
        assert delivered.acked == 1
        assert c.publish.copies == []
        assert len(w.own.mails) == 1


async def test_an_event_under_the_header_of_a_probe_is_an_event(tmp_path):
    async with world(tmp_path) as w:
        c = Consuming(w)
        probe = await c.handle(b"", {names.H_PROBE: "replica"})
        forged = await c.handle(BODY, {names.H_PROBE: "replica"})
        assert (probe.acked, forged.acked) == (1, 1)
        assert len(w.own.mails) == 1


async def test_a_delivery_that_a_defect_ended_gives_its_place_back_after_a_pause(tmp_path):
    async with world(tmp_path, errors.Unreachable(Code.CONNECT_FAILED)) as w:
        c = Consuming(w)

        def broken():
            raise RuntimeError("defect")

        c.publish.then = broken
        delivered = await c.handle()
        assert (delivered.acked, delivered.given_back) == (0, 0)
        await eventually(lambda: delivered.given_back == 1, timeout=5)
