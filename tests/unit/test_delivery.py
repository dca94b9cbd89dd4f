"""One event to its verdict, with a real store and transports that obey the contract."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from config.errors import StoreUnavailable
from config.organizations import Directory
from config.testing import organizations_in, smtp_form
from consumer.attempt import Attempt
from consumer.delivery import Delivery, Surroundings
from consumer.holding import PlatformHold
from consumer.metrics import Metrics
from consumer.outcome import Dead, Hand, Park, Reason, Retry
from consumer.platform_trouble import PlatformTrouble
from consumer.retry import Policy
from consumer.routing import PlatformDefault
from consumer.turns_driver import LaneTurns
from tests.books import Book
from tests.builders import NOON, event
from tests.doubles import OpenRoad, Told
from transports import errors
from transports.cache import TransportCache
from transports.errors import Code
from transports.message import Mailbox, Receipt
from transports.smtp.settings import Security, SmtpSettings
from transports.testing import RecordingTransport, ScriptedTransport

DEFAULT = PlatformDefault(
    SmtpSettings("relay.platform.example", 25, Security.NONE), Mailbox("no-reply@platform.example", "Platform")
)
IN_HAND = Hand(b"copy", received=NOON.timestamp())
LONG_IN_HAND = Hand(b"copy", received=NOON.timestamp() - 90)
THREE = {"to": [{"address": f"r{n}@example.org"} for n in range(3)]}


class Away:
    """A reader whose database does not answer."""

    async def get(self, organization):
        raise StoreUnavailable("away")

    async def changes_since(self, number):
        raise StoreUnavailable("away")


def lanes(deadline=90.0):
    """The lanes of a process that remembers nothing."""

    async def nothing(key):
        return None

    return LaneTurns(
        clock=time.monotonic, now=lambda: datetime.now(UTC), remembered=nothing, deadline=deadline, owner="one"
    )


class Lent:
    """A transport that outlives the cache it is in."""

    def __init__(self, transport):
        self._transport = transport

    def __getattr__(self, name):
        return getattr(self._transport, name)

    async def aclose(self):
        """Nothing to close."""


class World:
    def __init__(self, organizations, own, platform):
        self.organizations = organizations
        self.own, self.platform = own, platform
        self.now = NOON
        self.told = Told()
        self.built = 0
        self.metrics = Metrics("test")
        self.directory = Directory(organizations, clock=lambda: 0.0)
        self.book = Book(self._time)
        self.road = OpenRoad()

    def delivery(self, *, deadline=90.0, directory=None):
        clock = self._time
        return Delivery(
            Surroundings(
                directory=directory or self.directory,
                organizations=self.organizations,
                transports=TransportCache(self.build, 10, lambda: 0.0),
                ledger=self.book,
                turns=lanes(deadline),
                breakers=self.road,
                holding=PlatformHold(clock, deadline),
                trouble=PlatformTrouble(self.metrics, clock),
                metrics=self.metrics,
                notices=self.told,
                default=DEFAULT,
                policy=Policy(jitter=0),
                deadline=deadline,
                now=lambda: self.now,
                clock=clock,
                random=lambda: 0.5,
            )
        )

    def _time(self):
        return self.now.timestamp()

    def build(self, account):
        self.built += 1
        return Lent(self.platform if account.platform else self.own)

    async def deliver(self, the_event, attempt=None, hand=IN_HAND, **options):
        return await self.delivery(**options).deliver(the_event, attempt or Attempt(self.now), hand)


@asynccontextmanager
async def world(folder, *steps, platform_steps=()):
    own, platform = ScriptedTransport(steps), ScriptedTransport(platform_steps)
    async with organizations_in(folder, acme=smtp_form()) as organizations:
        yield World(organizations, own, platform)


async def test_a_mail_leaves_by_the_organizations_own_server_under_its_sender(tmp_path):
    async with world(tmp_path) as w:
        verdict = await w.deliver(event())
    assert (verdict.transport, verdict.accepted, verdict.branches) == ("smtp", (0,), ())
    assert [mail.sender.address for mail in w.own.mails] == ["notifications@acme.example"]
    assert w.platform.tried == []


async def test_a_mail_of_an_unconfigured_organization_leaves_by_the_platform(tmp_path):
    async with world(tmp_path) as w:
        verdict = await w.deliver(event(organizationid="globex"))
    assert (verdict.transport, verdict.accepted) == ("default", (0,))
    assert w.own.tried == []


@pytest.mark.parametrize(
    "failure",
    [
        errors.Unreachable(Code.CONNECT_FAILED),
        errors.AccountProblem(Code.SIGN_IN_REFUSED),
        errors.MessageRefused(Code.MESSAGE_REFUSED),
        errors.OutcomeUnknown(Code.OUTCOME_UNKNOWN),
        errors.Throttled(Code.THROTTLED),
    ],
    ids=lambda failure: str(failure.code),
)
async def test_no_failure_of_an_own_server_ever_leads_to_the_platforms(tmp_path, failure):
    async with world(tmp_path, failure) as w:
        await w.deliver(event())
        await w.deliver(event())
    assert w.platform.tried == []


async def test_recipients_are_sorted_into_accepted_deferred_and_refused(tmp_path):
    refused = (
        (1, errors.RecipientRefused(Code.RECIPIENT_REFUSED, "550 5.1.1")),
        (2, errors.RecipientDeferred(Code.RECIPIENT_GREYLISTED, retry_after=600)),
    )
    async with world(tmp_path, Receipt("smtp", (0,), refused)) as w:
        verdict = await w.deliver(event(THREE))
    assert verdict.accepted == (0,)
    by_reason = {branch.reason: branch for branch in verdict.branches}
    assert (by_reason[Code.RECIPIENT_REFUSED].decision, by_reason[Code.RECIPIENT_REFUSED].owed) == (Dead(), (1,))
    assert (by_reason[Code.RECIPIENT_GREYLISTED].decision, by_reason[Code.RECIPIENT_GREYLISTED].owed) == (
        Retry(600),
        (2,),
    )


async def test_recipients_deferred_for_one_reason_come_back_together_at_the_later_time(tmp_path):
    refused = (
        (0, errors.RecipientDeferred(Code.RECIPIENT_DEFERRED, retry_after=100)),
        (2, errors.RecipientDeferred(Code.RECIPIENT_DEFERRED, retry_after=700)),
    )
    async with world(tmp_path, Receipt("smtp", (1,), refused)) as w:
        verdict = await w.deliver(event(THREE))
    (branch,) = verdict.branches
    assert (branch.decision, branch.owed) == (Retry(700), (0, 2))


async def test_a_retry_is_sent_to_the_owed_recipients_only(tmp_path):
    async with world(tmp_path) as w:
        verdict = await w.deliver(event(THREE), Attempt(NOON, number=1, owed=(2,)))
    assert verdict.accepted == (2,)
    assert [mail.owed for mail in w.own.mails] == [(2,)]


async def test_an_account_problem_parks_suspends_and_is_told_once(tmp_path):
    problem = errors.AccountProblem(Code.SIGN_IN_REFUSED, "535 5.7.8")
    async with world(tmp_path, problem) as w:
        first = await w.deliver(event())
        second = await w.deliver(event())
        assert dict(await w.organizations.suspended()) == {"sign_in_refused": 1}
    assert [branch.decision for branch in first.branches + second.branches] == [Park(), Park()]
    assert len(w.own.tried) == 1
    assert w.told.said == [("suspended", "acme", Code.SIGN_IN_REFUSED)]


async def test_a_suspended_account_is_tried_after_an_hour_and_recovers_by_itself(tmp_path):
    async with world(tmp_path, errors.AccountProblem(Code.SIGN_IN_REFUSED)) as w:
        await w.deliver(event())
        w.now += timedelta(minutes=61)
        verdict = await w.deliver(event())
        assert dict(await w.organizations.suspended()) == {}
    assert verdict.accepted == (0,)
    assert w.told.said[-1] == ("recovered", "acme")


async def test_an_account_problem_on_the_platforms_server_is_ours_and_waits_uncounted(tmp_path):
    async with world(tmp_path, platform_steps=[errors.AccountProblem(Code.SIGN_IN_REFUSED)]) as w:
        verdict = await w.deliver(event(organizationid="globex"))
        assert dict(await w.organizations.suspended()) == {}
    (branch,) = verdict.branches
    assert branch.decision == Retry(15.25, counted=False)


async def test_without_the_store_nothing_is_sent_and_nothing_is_counted(tmp_path):
    async with world(tmp_path) as w:
        away = Directory(Away(), clock=lambda: 0.0)
        verdict = await w.deliver(event(organizationid="globex"), hand=LONG_IN_HAND, directory=away)
    (branch,) = verdict.branches
    assert (branch.decision, branch.reason) == (Retry(15, counted=False), Code.STORE_UNAVAILABLE)
    assert w.own.tried == w.platform.tried == []


async def test_a_defect_in_a_transport_leaves_the_outcome_unknown(tmp_path):
    async def broken(mail):
        raise RuntimeError("defect")

    async with world(tmp_path, broken, broken) as w:
        first = await w.deliver(event())
        last = await w.deliver(event(), Attempt(NOON, number=1, unknown=1))
    assert (first.branches[0].decision, first.branches[0].unknown) == (Retry(300), True)
    assert (last.branches[0].decision, last.branches[0].reason) == (Dead(), Code.OUTCOME_UNKNOWN)


async def test_a_defect_before_a_transport_is_asked_is_retried_a_few_times_and_then_given_up(tmp_path):
    async with world(tmp_path) as w:
        w.build = lambda account: 1 / 0
        first = await w.deliver(event())
        last = await w.deliver(event(), Attempt(NOON, number=4))
    assert first.branches[0].decision == Retry(15)
    assert (last.branches[0].decision, last.branches[0].reason) == (Dead(), Code.INTERNAL_ERROR)


async def test_a_send_that_is_cut_off_has_an_unknown_outcome(tmp_path):
    started = asyncio.Event()

    async def hanging(mail):
        started.set()
        await asyncio.Event().wait()

    async with world(tmp_path, hanging) as w:
        task = asyncio.create_task(w.deliver(event()))
        await started.wait()
        task.cancel()
        verdict = await task
    (branch,) = verdict.branches
    assert branch.unknown
    assert branch.reason is Code.OUTCOME_UNKNOWN


class Endless(RecordingTransport):
    """Breaks its promise to end in time."""

    async def send(self, mail, timeout):
        await asyncio.Event().wait()


async def test_a_transport_that_does_not_end_in_time_is_cut_off(tmp_path):
    async with world(tmp_path) as w:
        w.own = Endless()
        verdict = await w.deliver(event(), deadline=-5.0)
    assert verdict.branches[0].unknown


async def test_an_expired_event_of_a_suspended_organization_is_not_parked(tmp_path):
    async with world(tmp_path, errors.AccountProblem(Code.SIGN_IN_REFUSED)) as w:
        await w.deliver(event())
        late = event(expirytime="2026-11-21T12:00:00Z")
        verdict = await w.deliver(late)
    assert (verdict.branches[0].decision, verdict.branches[0].reason) == (Dead(), Reason.EXPIRED)
