"""Verdicts at the edges: everyone owed gets one, nothing waits for ever, and no header makes an event undeliverable."""

from datetime import timedelta

import pytest

from consumer import names
from consumer.attempt import Attempt, read
from consumer.outcome import Retry
from tests.builders import NOON, event
from tests.unit.test_delivery import THREE, world
from transports import errors
from transports.errors import Code
from transports.message import Receipt
from transports.testing import RecordingTransport


class Forgetful(RecordingTransport):
    """Breaks its promise of a verdict for every owed recipient."""

    async def answer(self, mail):
        return Receipt(self.name, mail.owed[:1])


async def test_a_recipient_without_a_verdict_counts_as_unknown(tmp_path):
    async with world(tmp_path) as w:
        w.own = Forgetful()
        verdict = await w.deliver(event(THREE))
    assert verdict.accepted == (0,)
    (branch,) = verdict.branches
    assert (branch.decision, branch.reason, branch.owed) == (Retry(300), Code.OUTCOME_UNKNOWN, (1, 2))
    assert branch.unknown


async def test_a_provider_that_asks_for_a_moment_is_given_it_and_the_mail_leaves(tmp_path):
    async with world(tmp_path, errors.Throttled(Code.THROTTLED, retry_after=0.01)) as w:
        verdict = await w.deliver(event())
    assert (verdict.accepted, verdict.branches) == ((0,), ())
    assert len(w.own.tried) == 2


@pytest.mark.parametrize("steps", [[1.5], [0.01, 0.01]], ids=["for longer", "again and again"])
async def test_a_provider_that_asks_for_more_than_a_moment_is_waited_for_elsewhere(tmp_path, steps):
    async with world(tmp_path, *(errors.Throttled(Code.THROTTLED, retry_after=seconds) for seconds in steps)) as w:
        verdict = await w.deliver(event())
    (branch,) = verdict.branches
    assert isinstance(branch.decision, Retry)
    assert not branch.decision.counted
    assert len(w.own.tried) == len(steps)


async def test_a_provider_that_throttles_for_days_does_not_end_the_event(tmp_path):
    async with world(tmp_path, errors.Throttled(Code.THROTTLED)) as w:
        verdict = await w.deliver(event(), Attempt(NOON - timedelta(days=4)))
    (branch,) = verdict.branches
    assert (branch.decision, branch.reason) == (Retry(60, counted=False), Code.THROTTLED)


@pytest.mark.parametrize("first_seen", ["0001-01-02T00:00:00+00:00", "9999-12-31T23:59:59Z"])
async def test_a_first_seen_time_from_outside_the_calendar_does_not_keep_a_mail_back(tmp_path, first_seen):
    async with world(tmp_path) as w:
        attempt = read({names.H_FIRST_SEEN: first_seen}, NOON)
        verdict = await w.deliver(event(time="2026-11-21T08:00:00Z"), attempt)
    assert (verdict.accepted, verdict.branches) == ((0,), ())
