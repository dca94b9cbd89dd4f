"""The Gmail transport against the stand-in for Google: what arrives, who gets it, and what a failure leaves behind."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from email import message_from_bytes
from email.policy import default

import pytest

from deploy.local.providers.base_values import Fault
from deploy.local.providers.google_grants import EMAIL
from tests.fakes.gmail_client import ADA, GmailBed
from tests.fakes.smtpd_client import Clock, Grant, mail
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually
from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    PlatformProblem,
    RecipientRefused,
    Throttled,
    Unreachable,
)
from transports.gmail.transport import GmailTransport
from transports.holds import Holds
from transports.message import Attachment, Mail, Mailbox, Receipt

MANY = tuple(f"r{n}@example.net" for n in range(250))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def bed(tls: TestCertificates, clock: Clock) -> AsyncIterator[GmailBed]:
    async with GmailBed(tls, clock) as made:
        yield made


async def refusal(sending: GmailTransport, sent: Mail | None = None, timeout: float = 10.0) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sending.send(sent or mail(), timeout)
    assert caught.value.transport == "gmail"
    return caught.value


async def test_a_mail_arrives_as_it_was_made_but_for_what_gmail_writes_itself(bed: GmailBed) -> None:
    sent = mail(
        "jo@example.net",
        cc=(Mailbox("cc@example.net"),),
        bcc=(Mailbox("hidden@example.net"),),
        owed=(0, 1, 2),
        html="<p>A text.</p>",
        in_reply_to="<thread@example.org>",
        references=("<thread@example.org>",),
        headers=(("X-Mailroom-Event", "e-17"), ("List-Unsubscribe", "<https://example.org/u>")),
    )
    assert await bed.transport().send(sent, 10) == Receipt("gmail", (0, 1, 2))
    (taken,) = bed.box.mails
    assert taken.form == "raw"
    assert taken.sender == "sender@example.org"
    assert sorted(taken.recipients) == ["cc@example.net", "hidden@example.net", "jo@example.net"]
    assert b"hidden@" not in taken.content
    read = message_from_bytes(taken.content, policy=default)
    assert read["X-Mailroom-Event"] == "e-17"
    assert read["References"] == read["In-Reply-To"] == "<thread@example.org>"
    assert read["List-Unsubscribe"] == "<https://example.org/u>"
    assert read["Message-ID"] != sent.message_id
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]


async def test_a_larger_mail_is_uploaded_as_it_is(bed: GmailBed) -> None:
    content = bytes(range(256)) * 16_384
    sent = mail(attachments=(Attachment("a.bin", "application/octet-stream", content),))
    assert (await bed.transport().send(sent, 20)).accepted == (0,)
    (taken,) = bed.box.mails
    assert taken.form == "media"
    (file,) = message_from_bytes(taken.content, policy=default).iter_attachments()
    assert file.get_content() == content


async def test_what_gmail_does_not_take_for_its_size_is_not_offered(bed: GmailBed) -> None:
    error = await refusal(
        bed.transport(), mail(attachments=(Attachment("a.bin", "application/octet-stream", bytes(26_214_401)),))
    )
    assert (type(error), error.code) == (MessageRefused, Code.MESSAGE_TOO_LARGE)
    assert error.detail == "26214401 of at most 26214400 octets"
    assert bed.sends == 0


async def test_only_who_is_owed_the_mail_is_named_in_it(bed: GmailBed) -> None:
    sent = mail("a@example.net", "b@example.net", bcc=(Mailbox("c@example.net"), Mailbox("d@example.net")), owed=(3, 1))
    assert await bed.transport().send(sent, 10) == Receipt("gmail", (3, 1))
    assert bed.box.mails[0].recipients == ("b@example.net", "d@example.net")
    assert b"a@example.net" not in bed.box.mails[0].content


async def test_what_is_no_address_is_refused_alone(bed: GmailBed) -> None:
    receipt = await bed.transport().send(mail("a@example.net", "nobody"), 10)
    assert receipt.accepted == (0,)
    ((position, error),) = receipt.refused
    assert (position, type(error)) == (1, RecipientRefused)
    assert (await bed.transport().send(mail("nobody"), 10)).accepted == ()
    assert bed.sends == 1


async def test_an_address_outside_ascii_gets_its_mail(bed: GmailBed) -> None:
    assert (await bed.transport().send(mail("jö@exämple.net"), 10)).accepted == (0,)
    assert bed.box.mails[0].recipients == ("jö@xn--exmple-cua.net",)


async def test_more_recipients_than_gmail_takes_get_it_in_shares(bed: GmailBed) -> None:
    receipt = await bed.transport().send(mail(*MANY), 20)
    assert receipt == Receipt("gmail", tuple(range(250)))
    assert [len(taken.recipients) for taken in bed.box.mails] == [100, 100, 50]
    assert sorted(address for taken in bed.box.mails for address in taken.recipients) == sorted(MANY)


@pytest.mark.parametrize(
    ("fault", "second", "third"),
    [
        (Fault.throttle(30), Throttled, Throttled),
        (Fault.status(401), AccountProblem, AccountProblem),
        (Fault.accept_and_cut(), OutcomeUnknown, Unreachable),
        (Fault.status(503), OutcomeUnknown, Unreachable),
        (Fault.status(400), MessageRefused, None),
    ],
)
async def test_a_failure_after_a_share_was_accepted_is_the_verdict_of_the_others(
    bed: GmailBed, fault: Fault, second: type[DeliveryError], third: type[DeliveryError] | None
) -> None:
    bed.box.fault("send", Fault.delay(0))
    bed.box.fault("send", fault, times=2 if fault.code == 401 else 1)
    receipt = await bed.transport(Grant(bed.box.token(ADA), bed.box.token(ADA))).send(mail(*MANY), 20)
    assert receipt.accepted == (*range(100), *(() if third else range(200, 250)))
    assert {type(error) for position, error in receipt.refused if position < 200} == {second}
    assert {type(error) for position, error in receipt.refused if position >= 200} == ({third} if third else set())
    assert len(receipt.accepted) + len(receipt.refused) == 250


async def test_the_first_share_s_failure_is_the_mail_s_unless_it_may_have_arrived(bed: GmailBed) -> None:
    bed.box.fault("send", Fault.throttle(30))
    assert isinstance(await refusal(bed.transport(), mail(*MANY)), Throttled)
    assert bed.sends == 1
    bed.box.fault("send", Fault.accept_and_cut())
    receipt = await bed.transport().send(mail(*MANY), 20)
    assert receipt.accepted == ()
    assert {type(error) for position, error in receipt.refused if position < 100} == {OutcomeUnknown}
    assert {type(error) for position, error in receipt.refused if position >= 100} == {Unreachable}
    assert bed.sends == 2


async def test_a_refused_token_is_renewed_once(bed: GmailBed) -> None:
    tokens = bed.tokens("expired")
    assert (await bed.transport(tokens).send(mail(), 10)).accepted == (0,)
    assert (tokens.refreshes, bed.sends) == (1, 2)
    dead = bed.transport(Grant("dead", "dead too"))
    errors = await asyncio.gather(*(refusal(dead) for _ in range(50)))
    assert {(type(error), error.code) for error in errors} == {(AccountProblem, Code.RECONNECTION_NEEDED)}
    assert bed.sends == 4, "one mail found out for all of them"


async def test_a_token_that_does_not_change_is_not_tried_again(bed: GmailBed) -> None:
    assert (await refusal(bed.transport(Grant("dead")))).code is Code.RECONNECTION_NEEDED
    assert bed.sends == 1


async def test_a_refused_account_is_left_alone_until_the_pause_is_over(bed: GmailBed, clock: Clock) -> None:
    sending = bed.transport()
    bed.box.unlicense(ADA)
    assert (await refusal(sending)).code is Code.MAILBOX_UNAVAILABLE
    bed.box.enable(ADA)
    clock.now += 899
    assert (await refusal(sending)).code is Code.MAILBOX_UNAVAILABLE
    assert bed.sends == 1
    clock.now += 1
    assert (await sending.send(mail(), 10)).accepted == (0,)


async def test_who_was_told_to_wait_calls_nobody_before(bed: GmailBed, clock: Clock) -> None:
    sending = bed.transport()
    bed.box.fault("send", Fault.throttle(40))
    first = await refusal(sending)
    assert (type(first), first.retry_after) == (Throttled, 40)
    clock.now += 30
    second = await refusal(sending)
    assert (type(second), second.code) == (Throttled, first.code)
    assert second.retry_after == pytest.approx(10)
    assert bed.sends == 1
    clock.now += 10
    assert (await sending.send(mail(), 10)).accepted == (0,)


async def test_the_daily_limit_is_met_once_and_waited_out(bed: GmailBed, clock: Clock) -> None:
    sending = bed.transport(max_connections=8)
    await sending.send(mail(), 10)
    bed.box.lock_sending(ADA, 3 * 3600)
    locked = bed.box.quotas.locked_until(ADA)
    error = await refusal(sending)
    assert (type(error), error.code) == (AccountProblem, Code.QUOTA_EXHAUSTED)
    assert error.retry_after == pytest.approx(3 * 3600, abs=2)
    for again in await asyncio.gather(*(refusal(sending) for _ in range(20))):
        assert again.code is Code.QUOTA_EXHAUSTED
        assert again.retry_after == pytest.approx(3 * 3600, abs=2)
    stage = (await sending.check(10))[-1]
    assert (stage.name, stage.code) == ("sign_in", Code.QUOTA_EXHAUSTED)
    assert bed.sends == 2, "trying before the time puts it off"
    assert bed.box.quotas.locked_until(ADA) == locked


async def test_the_app_s_quota_is_waited_out_as_well(bed: GmailBed, clock: Clock) -> None:
    used_up = {"error": {"code": 403, "errors": [{"reason": "dailyLimitExceeded"}], "message": "Daily Limit Exceeded"}}
    bed.box.fault("send", Fault.status(403, json.dumps(used_up)))
    sending = bed.transport()
    errors = await asyncio.gather(*(refusal(sending) for _ in range(20)))
    assert {(type(error), error.code) for error in errors} == {(PlatformProblem, Code.PLATFORM_QUOTA)}
    clock.now += 3599
    assert (await refusal(sending)).retry_after == pytest.approx(1)
    assert bed.sends == 1
    clock.now += 1
    assert (await sending.send(mail(), 10)).accepted == (0,)


async def test_the_app_s_quota_stops_every_account_of_the_app(bed: GmailBed) -> None:
    bed.box.fault("send", Fault.status(403, json.dumps({"error": {"errors": [{"reason": "dailyLimitExceeded"}]}})))
    holds = Holds()
    await refusal(bed.transport(holds=holds))
    error = await refusal(bed.transport(holds=holds))
    assert (type(error), error.code, bed.sends) == (PlatformProblem, Code.PLATFORM_QUOTA, 1)
    assert (await bed.transport(holds=holds, own_app=True).send(mail(), 10)).accepted == (0,)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_a_server_s_failure_leaves_the_outcome_unknown(bed: GmailBed, status: int) -> None:
    bed.box.fault("send", Fault.status(status, headers={"Retry-After": "5"}))
    assert isinstance(await refusal(bed.transport()), OutcomeUnknown)
    assert bed.sends == 1


async def test_a_success_is_final_whatever_else_it_says(bed: GmailBed) -> None:
    bed.box.fault("send", Fault.status(202, b"\xff", headers={"Retry-After": "500"}))
    sending = bed.transport()
    assert (await sending.send(mail(), 10)).accepted == (0,)
    assert (await sending.send(mail(), 10)).accepted == (0,)


async def test_a_lost_answer_is_told_as_such_and_nothing_is_sent_again(bed: GmailBed) -> None:
    bed.box.fault("send", Fault.accept_and_cut(), times=None)
    assert isinstance(await refusal(bed.transport()), OutcomeUnknown)
    assert (bed.sends, len(bed.box.mails)) == (1, 1)


async def test_what_is_wrong_with_the_project_is_nobody_s_account_problem(bed: GmailBed) -> None:
    bed.box.api_enabled = False
    ours = await refusal(bed.transport())
    assert (type(ours), ours.code) == (PlatformProblem, Code.PLATFORM_SETTINGS)
    theirs = await refusal(bed.transport(own_app=True))
    assert (type(theirs), theirs.code) == (AccountProblem, Code.APP_CREDENTIALS)


async def test_no_more_calls_run_at_once_than_allowed(bed: GmailBed) -> None:
    sending = bed.transport(max_connections=3)
    await sending.send(mail(), 10)
    release = threading.Event()
    bed.box.fault("send", Fault.hold(release), times=None)
    running = [asyncio.ensure_future(sending.send(mail(), 20)) for _ in range(9)]
    await eventually(lambda: bed.sends == 4)
    assert isinstance(await refusal(sending, timeout=0.1), Unreachable)
    assert bed.sends == 4
    release.set()
    assert all(receipt.accepted == (0,) for receipt in await asyncio.gather(*running))


CHECKS = [
    ("revoked", ("sign_in", Code.RECONNECTION_NEEDED)),
    ("scope", ("sign_in", Code.PERMISSION_MISSING)),
    ("licence", ("sign_in", Code.MAILBOX_UNAVAILABLE)),
    ("policy", ("sign_in", Code.ACCESS_POLICY)),
    ("project", ("sign_in", Code.PLATFORM_SETTINGS)),
    ("busy", ("sign_in", Code.TEMPORARY_FAILURE)),
    ("cut", ("sign_in", Code.CONNECTION_LOST)),
]


@pytest.mark.parametrize(("trouble", "found"), CHECKS)
async def test_a_check_finds_what_a_mail_would_meet_and_sends_none(
    bed: GmailBed, trouble: str, found: tuple[str, Code]
) -> None:
    tokens = bed.tokens()
    match trouble:
        case "revoked":
            bed.box.revoke(ADA)
        case "scope":
            tokens = Grant(bed.box.token(ADA, scopes=("openid", EMAIL)))
        case "licence":
            bed.box.unlicense(ADA)
        case "policy":
            bed.box.account(ADA).consent = "blocked"
        case "project":
            bed.box.api_enabled = False
        case "busy":
            bed.box.fault("send", Fault.status(503))
        case "cut":
            bed.box.fault("send", Fault.cut_before())
    sending = bed.transport(tokens)
    stages = await sending.check(10)
    assert [stage.ok for stage in stages] == [True, True, True, False]
    assert (stages[-1].name, stages[-1].code) == found
    assert not bed.box.mails


async def test_a_check_that_passes_ends_the_memory_of_a_refusal(bed: GmailBed) -> None:
    sending = bed.transport()
    bed.box.unlicense(ADA)
    await refusal(sending)
    bed.box.enable(ADA)
    assert all(stage.ok for stage in await sending.check(10))
    assert (await sending.send(mail(), 10)).accepted == (0,)


async def test_a_check_that_fails_is_remembered(bed: GmailBed) -> None:
    sending = bed.transport()
    await sending.send(mail(), 10)
    bed.box.unlicense(ADA)
    await sending.check(10)
    bed.box.enable(ADA)
    assert (await refusal(sending)).code is Code.MAILBOX_UNAVAILABLE
