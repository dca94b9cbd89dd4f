"""An account is suspended and recovers: written down and told once each time, whatever runs beside it."""

import asyncio
from datetime import timedelta

from config.testing import smtp_form
from consumer.attempt import Attempt
from consumer.outcome import Park
from tests.builders import NOON, another
from tests.unit.test_delivery import IN_HAND, THREE, world
from tests.waiting import eventually
from transports import errors
from transports.errors import Code
from transports.message import Receipt

SIGN_IN = errors.AccountProblem(Code.SIGN_IN_REFUSED)


class Watched:
    """Organisations whose suspensions are counted."""

    def __init__(self, organizations):
        self._organizations = organizations
        self.suspensions = 0

    async def suspend(self, *args, **options):
        self.suspensions += 1
        return await self._organizations.suspend(*args, **options)


class Silent:
    """Organisations whose store does not answer, nor fail."""

    def __init__(self):
        self.asked = asyncio.Event()

    async def suspend(self, *args, **options):
        self.asked.set()
        await asyncio.Event().wait()

    recover = suspend


async def due_for_a_try(w):
    """Suspends the account and lets the hour pass after which it is tried again."""
    await w.deliver(another())
    w.now += timedelta(minutes=61)


async def test_many_recipients_refused_for_one_account_problem_are_one_suspension(tmp_path):
    many = {"to": [{"address": f"r{n}@example.org"} for n in range(30)]}
    problem = errors.AccountProblem(Code.QUOTA_EXHAUSTED, "550 5.4.5", retry_after=86_400)
    receipt = Receipt("smtp", tuple(range(10)), tuple((n, problem) for n in range(10, 30)))
    async with world(tmp_path, receipt) as w:
        w.organizations = watched = Watched(w.organizations)
        verdict = await w.deliver(another(many))
    assert watched.suspensions == 1
    assert [(branch.decision, branch.owed) for branch in verdict.branches] == [(Park(), tuple(range(10, 30)))]
    assert w.told.said == [("suspended", "acme", Code.QUOTA_EXHAUSTED)]


async def test_a_mail_that_was_accepted_stays_accepted_when_its_delivery_is_cut_off_afterwards(tmp_path):
    async with world(tmp_path, SIGN_IN) as w:
        await due_for_a_try(w)
        w.organizations = silent = Silent()
        task = asyncio.create_task(w.deliver(another()))
        await silent.asked.wait()
        task.cancel()
        verdict = await task
    assert (verdict.accepted, verdict.branches) == ((0,), ())
    assert len(w.own.mails) == 1


async def test_a_cut_while_a_suspension_is_written_down_loses_no_verdict_of_a_mail_that_left(tmp_path):
    async with world(tmp_path, Receipt("smtp", (0, 2), ((1, SIGN_IN),))) as w:
        w.organizations = silent = Silent()
        task = asyncio.create_task(w.deliver(another(THREE)))
        await silent.asked.wait()
        task.cancel()
        verdict = await task
    assert verdict.accepted == (0, 2)
    assert [(branch.decision, branch.owed) for branch in verdict.branches] == [(Park(), (1,))]


async def test_an_account_that_fails_anew_after_it_recovered_is_told_anew(tmp_path):
    go = asyncio.Event()

    async def fails(mail):
        await go.wait()
        raise errors.AccountProblem(Code.QUOTA_EXHAUSTED)

    async with world(tmp_path, SIGN_IN, fails) as w:
        await due_for_a_try(w)
        delivery = w.delivery()
        failing = asyncio.create_task(delivery.deliver(another(), Attempt(NOON), IN_HAND))
        await eventually(lambda: len(w.own.tried) == 2)
        await delivery.deliver(another(), Attempt(NOON), IN_HAND)
        go.set()
        await failing
    assert w.told.said == [
        ("suspended", "acme", Code.SIGN_IN_REFUSED),
        ("recovered", "acme"),
        ("suspended", "acme", Code.QUOTA_EXHAUSTED),
    ]


async def test_several_tries_that_succeed_together_are_told_as_one_recovery(tmp_path):
    together = asyncio.Barrier(4)

    async def accepted(mail):
        await together.wait()
        return Receipt("smtp", mail.owed)

    async with world(tmp_path, SIGN_IN, *[accepted] * 4) as w:
        await due_for_a_try(w)
        delivery = w.delivery()
        await asyncio.gather(*(delivery.deliver(another(), Attempt(NOON), IN_HAND) for _ in range(4)))
    assert w.told.said.count(("recovered", "acme")) == 1


RELEASED = Attempt(NOON, paused=60.0)
"""An event that was parked for a minute."""


async def test_a_new_connection_is_told_as_a_recovery_once_its_first_mail_was_accepted(tmp_path):
    async with world(tmp_path, SIGN_IN) as w:
        delivery = w.delivery()
        await delivery.deliver(another(), Attempt(NOON), IN_HAND)
        await w.organizations.configure_smtp("acme", smtp_form(sender_alias="Again"))
        await w.directory.refresh()
        for attempt in (Attempt(NOON), RELEASED, RELEASED):
            await delivery.deliver(another(), attempt, IN_HAND)
    assert w.told.said == [("suspended", "acme", Code.SIGN_IN_REFUSED), ("recovered", "acme")]


async def test_a_replica_that_knows_nothing_tells_a_recovery_by_the_first_mail_that_was_parked(tmp_path):
    async with world(tmp_path) as w:
        delivery = w.delivery()
        await delivery.deliver(another(), Attempt(NOON), IN_HAND)
        assert w.told.said == []
        for _ in range(3):
            await delivery.deliver(another(), RELEASED, IN_HAND)
        await delivery.deliver(another(organizationid="globex"), RELEASED, IN_HAND)
    assert w.told.said == [("recovered", "acme")], "of the platform's own server there is nothing to tell"


async def test_a_mail_that_was_under_way_when_the_account_failed_is_no_recovery(tmp_path):
    go = asyncio.Event()

    async def accepted(mail):
        await go.wait()
        return Receipt("smtp", mail.owed)

    async with world(tmp_path, accepted, SIGN_IN) as w:
        delivery = w.delivery()
        under_way = asyncio.create_task(delivery.deliver(another(), RELEASED, IN_HAND))
        await eventually(lambda: len(w.own.tried) == 1)
        await delivery.deliver(another(), Attempt(NOON), IN_HAND)
        go.set()
        assert (await under_way).accepted == (0,)
    assert w.told.said == [("suspended", "acme", Code.SIGN_IN_REFUSED)]


async def test_what_a_transport_remembers_of_a_refusal_does_not_outlive_the_suspension(tmp_path):
    async with world(tmp_path, SIGN_IN) as w:
        delivery = w.delivery()
        await delivery.deliver(another(), Attempt(NOON), IN_HAND)
        (summary,) = [one async for one in w.organizations.summaries()]
        assert await w.organizations.recover("acme", summary.version)  # as a passed test of the same settings does
        w.directory.invalidate("acme")
        verdict = await delivery.deliver(another(), Attempt(NOON), IN_HAND)
    assert verdict.accepted == (0,)
    assert w.built == 2
