"""One run against a transport: which stages are told, what passes, what a certificate has left, and the bounds."""

import asyncio
from datetime import date

import pytest

from config.trial_run import Limits, TrialRun
from config.trial_values import STAGES
from tests.builders import mail
from tests.waiting import eventually
from transports.errors import Code, MessageRefused, OutcomeUnknown, RecipientDeferred, RecipientRefused, Unreachable
from transports.message import Receipt
from transports.protocol import Probe, Stage
from transports.testing import PASSED, RecordingTransport, ScriptedTransport

PROBE = Probe("notifications@acme.example", "jo@acme.example")
TODAY = date(2026, 11, 21)


def putting_off(code, kind=RecipientDeferred):
    return Receipt("smtp", (), ((0, kind(code, "450 4.7.1")),))


async def hang(mail):
    return await asyncio.get_running_loop().create_future()


class Ran:
    """A run and what it recorded."""

    def __init__(self, transport, *, record=None, limits=Limits()):  # noqa: B008 - a frozen value
        self.transport, self.stages = transport, []
        self.run = TrialRun(
            lambda: transport,
            record or self._record,
            security="starttls",
            limits=limits,
            clock=lambda: 0.0,
            today=lambda: TODAY,
        )

    async def _record(self, stage):
        self.stages.append(stage)

    async def passed(self):
        return await self.run.run(PROBE, mail)

    def told(self):
        return [(stage.name, stage.ok, stage.code) for stage in self.stages]


def failing(name, code, detail=""):
    position = [stage.name for stage in PASSED].index(name)
    return (*PASSED[:position], Stage(name, False, 0.5, code, detail))


async def test_all_stages_are_told_in_order_and_the_mail_is_sent_last():
    ran = Ran(RecordingTransport())
    assert await ran.passed()
    assert [stage.name for stage in ran.stages] == list(STAGES)
    assert ran.transport.probes == [PROBE]
    assert len(ran.transport.mails) == 1
    assert ran.transport.closed


@pytest.mark.parametrize("name", [stage.name for stage in PASSED])
async def test_a_failed_stage_is_the_last_and_no_mail_is_sent(name):
    ran = Ran(RecordingTransport(stages=failing(name, Code.PROTOCOL_ERROR, "at x")))
    assert not await ran.passed()
    assert ran.told()[-1] == (name, False, Code.PROTOCOL_ERROR)
    assert (ran.stages[-1].detail, ran.stages[-1].seconds) == ("at x", 0.5)
    assert ran.transport.mails == []
    assert ran.transport.closed


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (MessageRefused(Code.MESSAGE_REFUSED, "554 5.7.1"), Code.MESSAGE_REFUSED),
        (Unreachable(Code.CONNECTION_LOST), Code.CONNECTION_LOST),
        (OutcomeUnknown(Code.OUTCOME_UNKNOWN), Code.OUTCOME_UNKNOWN),
        (putting_off(Code.RECIPIENT_REFUSED, RecipientRefused), Code.RECIPIENT_REFUSED),
        (putting_off(Code.RECIPIENT_DEFERRED), Code.RECIPIENT_DEFERRED),
    ],
)
async def test_a_mail_that_was_not_taken_fails(step, code):
    ran = Ran(ScriptedTransport([step]))
    assert not await ran.passed()
    assert ran.told()[-1] == ("test_mail", False, code)


@pytest.mark.parametrize("code", [Code.RECIPIENT_GREYLISTED, Code.RECIPIENT_MAILBOX_FULL])
async def test_a_recipient_who_is_put_off_for_reasons_of_their_own_passes_with_a_remark(code):
    ran = Ran(ScriptedTransport([putting_off(code)]))
    assert await ran.passed()
    assert ran.told()[-1] == ("test_mail", True, code)


async def test_what_passes_at_the_mail_fails_in_any_other_stage():
    ran = Ran(RecordingTransport(stages=failing("sender", Code.RECIPIENT_GREYLISTED)))
    assert not await ran.passed()


@pytest.mark.parametrize(
    ("expires", "days"),
    [("2026-12-12", None), ("2026-12-11", "20"), ("2026-11-22", "1"), ("2026-11-20", "-1"), ("soon", None)],
)
async def test_a_certificate_that_ends_within_three_weeks_is_pointed_out(expires, days):
    stages = [
        Stage(stage.name, True, 0.0, facts=(("expires", expires),)) if stage.name == "tls" else stage
        for stage in PASSED
    ]
    ran = Ran(RecordingTransport(stages=stages))
    assert await ran.passed()
    facts = next(dict(stage.facts) for stage in ran.stages if stage.name == "tls")
    assert facts.get("expires_in_days") == days
    assert (facts["expires"], facts["security"]) == (expires, "starttls")


async def test_a_record_that_fails_ends_the_run_and_closes_the_transport():
    async def record(stage):
        raise LookupError

    ran = Ran(RecordingTransport(), record=record)
    with pytest.raises(LookupError):
        await ran.passed()
    assert ran.transport.closed
    assert ran.transport.mails == []
    broken = ran.run.broken_off(Code.STORE_UNAVAILABLE)
    assert broken is not None
    assert broken.name == "address"


async def test_the_stage_under_way_is_the_one_that_broke_off():
    async def fail(mail):
        raise LookupError

    ran = Ran(ScriptedTransport([fail]))
    with pytest.raises(LookupError):
        await ran.passed()
    stage = ran.run.broken_off(Code.INTERNAL_ERROR)
    assert stage is not None
    assert (stage.name, stage.ok, stage.code) == ("test_mail", False, Code.INTERNAL_ERROR)
    done = Ran(RecordingTransport())
    await done.passed()
    assert done.run.broken_off(Code.INTERNAL_ERROR) is None


async def test_a_cancelled_run_closes_its_transport():
    transport = ScriptedTransport([hang])
    ran = Ran(transport)
    task = asyncio.create_task(ran.passed())
    await eventually(lambda: transport.tried)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert transport.closed


async def test_the_mail_has_a_bound_of_its_own():
    ran = Ran(ScriptedTransport([hang]), limits=Limits(mail=0.05))
    async with asyncio.timeout(10):
        assert not await ran.passed()
    assert ran.told()[-1] == ("test_mail", False, Code.OUTCOME_UNKNOWN)
