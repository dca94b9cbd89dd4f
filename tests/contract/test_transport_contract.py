"""The conformance suite: what every transport promises, whoever the provider is."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from tests.contract.harness import CANARY, Harness, with_envelope, without_envelope
from tests.fakes.smtpd_client import mail
from tests.waiting import eventually
from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    Permanent,
    Temporary,
    Unreachable,
)
from transports.message import Mail, Mailbox, Receipt
from transports.protocol import Probe, Stage, Transport

STAGES = ("address", "connect", "tls", "sign_in", "sender")
PROBE = Probe("sender@example.org", "probe@example.net")


@pytest.fixture
async def transport(harness: Harness) -> AsyncIterator[Transport]:
    made = harness.make()
    yield made
    harness.behave()
    await made.aclose()


async def refusal(sending: Transport, sent: Mail | None = None, timeout: float = 10.0) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sending.send(sent or mail(), timeout)
    return caught.value


def judged_once(sent: Mail, receipt: Receipt) -> bool:
    return sorted([*receipt.accepted, *(position for position, _ in receipt.refused)]) == sorted(sent.owed)


async def test_a_mail_is_handed_over_once_for_each_recipient(harness: Harness, transport: Transport) -> None:
    receipt = await transport.send(mail("a@example.net", "b@example.net"), 10)
    assert receipt == Receipt(harness.name, (0, 1))
    assert sorted(address for address, _ in harness.delivered()) == ["a@example.net", "b@example.net"]
    assert transport.name == harness.name


@with_envelope
async def test_only_owed_recipients_get_it_and_all_are_named(harness: Harness, transport: Transport) -> None:
    owing = mail("a@example.net", "b@example.net", "c@example.net", owed=(2, 0))
    receipt = await transport.send(owing, 10)
    assert sorted(receipt.accepted) == [0, 2]
    assert sorted(address for address, _ in harness.delivered()) == ["a@example.net", "c@example.net"]
    assert all(b"b@example.net" in message for _, message in harness.delivered())


@without_envelope
async def test_only_owed_recipients_are_named_where_naming_is_sending(harness: Harness, transport: Transport) -> None:
    copies, hidden = (Mailbox("copy@example.net"), Mailbox("had@example.net")), (Mailbox("b1@example.net"),)
    owing = mail("a@example.net", "b@example.net", "c@example.net", cc=copies, bcc=hidden, owed=(5, 3, 2, 0))
    receipt = await transport.send(owing, 10)
    assert sorted(receipt.accepted) == [0, 2, 3, 5]
    assert receipt.refused == ()
    wanted = ["a@example.net", "b1@example.net", "c@example.net", "copy@example.net"]
    assert sorted(address for address, _ in harness.delivered()) == wanted
    assert not any(b"b@example.net" in message or b"had@" in message for _, message in harness.delivered())


@without_envelope
async def test_a_mail_owed_to_hidden_recipients_alone_names_nobody(harness: Harness, transport: Transport) -> None:
    hidden = (Mailbox("hidden@example.net"), Mailbox("hidden2@example.net"))
    assert (await transport.send(mail("a@example.net", bcc=hidden, owed=(1, 2)), 10)).accepted == (1, 2)
    assert [address for address, _ in harness.delivered()] == ["hidden@example.net", "hidden2@example.net"]
    assert not any(b"hidden" in message for _, message in harness.delivered())


@without_envelope
async def test_a_refused_recipient_refuses_the_mail_where_there_is_no_envelope(
    harness: Harness, transport: Transport
) -> None:
    harness.refuse_recipient("no@example.net")
    error = await refusal(transport, mail("no@example.net", "yes@example.net"))
    assert isinstance(error, MessageRefused)
    assert error.code is Code.RECIPIENT_REFUSED
    assert not harness.delivered()


async def test_hidden_recipients_are_not_shown(harness: Harness, transport: Transport) -> None:
    await transport.send(mail("a@example.net", bcc=(Mailbox("hidden@example.net"),), owed=(0, 1)), 10)
    assert ("hidden@example.net") in [address for address, _ in harness.delivered()]
    assert not any(b"hidden@example.net" in message for _, message in harness.delivered())


@with_envelope
async def test_each_recipient_has_its_own_verdict(harness: Harness, transport: Transport) -> None:
    harness.refuse_recipient("no@example.net")
    harness.defer_recipient("later@example.net")
    sent = mail("no@example.net", "yes@example.net", "later@example.net")
    receipt = await transport.send(sent, 10)
    assert judged_once(sent, receipt)
    assert receipt.accepted == (1,)
    refused = dict(receipt.refused)
    assert isinstance(refused[0], Permanent)
    assert isinstance(refused[2], Temporary)
    assert [address for address, _ in harness.delivered()] == ["yes@example.net"]


@with_envelope
async def test_nobody_accepted_is_a_receipt_too(harness: Harness, transport: Transport) -> None:
    harness.refuse_recipient("example.net")
    sent = mail("a@example.net", "b@example.net")
    receipt = await transport.send(sent, 10)
    assert judged_once(sent, receipt)
    assert receipt.accepted == ()


async def test_a_refused_mail_is_permanent_and_does_not_hurt_the_next(harness: Harness, transport: Transport) -> None:
    harness.refuse_mail()
    assert isinstance(await refusal(transport), MessageRefused)
    harness.behave()
    assert (await transport.send(mail(), 10)).accepted == (0,)


async def test_a_mail_put_off_is_temporary(harness: Harness, transport: Transport) -> None:
    harness.defer_mail()
    error = await refusal(transport)
    assert isinstance(error, Temporary)
    assert not harness.delivered()


async def test_silence_before_hand_over_is_unreachable_within_the_timeout(
    harness: Harness, transport: Transport
) -> None:
    harness.hang_before_hand_over()
    begun = time.monotonic()
    assert isinstance(await refusal(transport, timeout=1.0), Unreachable)
    assert time.monotonic() - begun < 2.0
    assert not harness.delivered()


async def test_silence_after_hand_over_is_unknown_within_the_timeout(harness: Harness, transport: Transport) -> None:
    harness.hang_after_hand_over()
    begun = time.monotonic()
    assert isinstance(await refusal(transport, timeout=1.0), OutcomeUnknown)
    assert time.monotonic() - begun < 2.0
    harness.behave()
    assert (await transport.send(mail(), 10)).accepted == (0,)


async def test_a_cut_before_hand_over_is_unreachable(harness: Harness, transport: Transport) -> None:
    harness.cut_before_hand_over()
    assert isinstance(await refusal(transport), Unreachable)
    assert not harness.delivered()


async def test_a_cut_after_hand_over_is_unknown(harness: Harness, transport: Transport) -> None:
    harness.cut_after_hand_over()
    assert isinstance(await refusal(transport), OutcomeUnknown)
    assert len(harness.delivered()) == 1


async def test_nobody_listening_is_unreachable(harness: Harness) -> None:
    alone = harness.make_unreachable()
    assert isinstance(await refusal(alone), Unreachable)
    await alone.aclose()


async def test_a_wrong_secret_is_tried_once_by_fifty_sends(harness: Harness) -> None:
    wrong = harness.make_with_wrong_secret()
    errors = await asyncio.gather(*(refusal(wrong) for _ in range(50)))
    assert all(isinstance(error, AccountProblem) for error in errors)
    assert {error.code for error in errors} == {errors[0].code}
    assert isinstance(await refusal(wrong), AccountProblem)
    assert harness.sign_ins() == 1
    await wrong.aclose()


async def test_no_error_tells_a_secret_an_address_or_the_provider_s_words(
    harness: Harness, transport: Transport
) -> None:
    errors: list[DeliveryError] = []
    harness.refuse_recipient("a@example.net")
    if harness.envelope:
        receipt = await transport.send(mail("a@example.net", "b@example.net"), 10)
        errors += [error for _, error in receipt.refused]
    else:
        errors.append(await refusal(transport))
    harness.behave()
    harness.refuse_mail()
    errors.append(await refusal(transport))
    wrong = harness.make_with_wrong_secret()
    errors.append(await refusal(wrong))
    await wrong.aclose()
    for error in errors:
        told = f"{error} {error.detail} {error!r}"
        assert CANARY not in told
        assert harness.secret not in told
        assert "@" not in told
        assert error.transport == harness.name


async def test_a_cancelled_send_ends_at_once_and_the_next_one_works(harness: Harness, transport: Transport) -> None:
    harness.hang_after_hand_over()
    sending = asyncio.create_task(transport.send(mail(), 30))
    await eventually(harness.delivered)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    harness.behave()
    assert (await transport.send(replace(mail(), subject="the second"), 10)).accepted == (0,)
    assert b"Subject: the second" in harness.delivered()[-1][1]


async def test_forty_at_once_are_handed_over_once_each(harness: Harness, transport: Transport) -> None:
    mails = [replace(mail(f"r{n}@example.net"), subject=f"number {n}.") for n in range(40)]
    receipts = await asyncio.gather(*(transport.send(each, 30) for each in mails))
    assert all(receipt.accepted == (0,) for receipt in receipts)
    delivered = harness.delivered()
    assert sorted(address for address, _ in delivered) == sorted(f"r{n}@example.net" for n in range(40))
    assert all(f"Subject: number {address[1:].partition('@')[0]}.".encode() in body for address, body in delivered)


async def test_two_attempts_give_the_same_bytes(harness: Harness, transport: Transport) -> None:
    await transport.send(mail(), 10)
    await transport.send(mail(), 10)
    first, second = harness.delivered()
    assert first == second


async def test_closing_waits_for_running_sends_and_ends_all_others(harness: Harness) -> None:
    closing = harness.make()
    await closing.send(mail(), 10)
    running = [asyncio.create_task(closing.send(mail(), 10)) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.gather(closing.aclose(), closing.aclose())
    outcomes = await asyncio.gather(*running, return_exceptions=True)
    assert all(isinstance(outcome, Receipt | Unreachable) for outcome in outcomes)
    assert isinstance(await refusal(closing), Unreachable)
    await closing.aclose()


async def test_a_check_goes_through_all_stages_and_sends_nothing(harness: Harness, transport: Transport) -> None:
    stages = await transport.check(10, probe=PROBE)
    assert tuple(stage.name for stage in stages) == STAGES
    assert all(stage.ok and stage.code is None and stage.seconds >= 0 for stage in stages)
    assert not harness.delivered()
    assert (await transport.send(mail(), 10)).accepted == (0,)


async def test_a_check_offers_a_sender_only_when_it_has_one(harness: Harness, transport: Transport) -> None:
    assert tuple(stage.name for stage in await transport.check(10)) == STAGES[:4]
    alone = await transport.check(10, probe=Probe("sender@example.org"))
    assert tuple(stage.name for stage in alone) == STAGES


async def test_each_stage_of_a_check_is_told_when_it_ends(harness: Harness, transport: Transport) -> None:
    told: list[Stage] = []
    assert tuple(await transport.check(10, probe=PROBE, on_stage=told.append)) == tuple(told)
    wrong = harness.make_with_wrong_secret()
    failing: list[Stage] = []
    assert tuple(await wrong.check(10, probe=PROBE, on_stage=failing.append)) == tuple(failing)
    assert [stage.ok for stage in failing] == [True, True, True, False]
    await wrong.aclose()


async def test_what_a_check_has_learnt_may_be_shown(harness: Harness, transport: Transport) -> None:
    stages = await transport.check(10, probe=PROBE)
    assert {stage.name: {name for name, _ in stage.facts} for stage in stages if stage.facts} == harness.facts
    facts = [fact for stage in stages for fact in stage.facts]
    assert all(value.isprintable() and 0 < len(value) <= 100 for _, value in facts)
    told = repr(stages)
    assert harness.secret not in told
    assert "@" not in told
    assert not re.search(r"\d+\.\d+\.\d+\.\d+|::", told)


@with_envelope
async def test_a_check_says_what_became_of_its_recipient(harness: Harness, transport: Transport) -> None:
    harness.defer_recipient("probe@example.net")
    put_off = (await transport.check(10, probe=PROBE))[-1]
    assert (put_off.name, put_off.ok) == ("sender", True), "the sender is not to blame"
    assert dict(put_off.facts)["recipient"] in set(Code)
    harness.behave()
    harness.refuse_recipient("probe@example.net")
    refused = (await transport.check(10, probe=PROBE))[-1]
    assert (refused.name, refused.ok) == ("sender", False)
    assert CANARY not in repr((put_off, refused))


async def test_a_check_ends_at_the_first_failure(harness: Harness) -> None:
    wrong = harness.make_with_wrong_secret()
    stages = await wrong.check(10, probe=PROBE)
    assert tuple(stage.name for stage in stages) == STAGES[:4]
    assert [stage.ok for stage in stages] == [True, True, True, False]
    assert stages[-1].code is not None
    await wrong.aclose()
    alone = harness.make_unreachable()
    last = (await alone.check(10))[-1]
    assert (last.name, last.ok) == ("connect", False)
    await alone.aclose()


async def test_no_representation_shows_the_secret(harness: Harness, transport: Transport) -> None:
    assert harness.secret not in repr(transport)
    assert harness.secret not in repr(vars(transport))
