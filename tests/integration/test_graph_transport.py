"""The Microsoft 365 transport at the sandbox: which form, which token, and what a refusal costs."""

import asyncio
import email
import json
import uuid
from collections.abc import AsyncIterator
from email import policy
from email.utils import formatdate

import pytest

from deploy.local.providers.base_values import Fault
from tests.fakes.smtpd_client import GRANT, Grant, mail
from tests.fixtures_tls import TestCertificates
from tests.graph_bench import ALIAS, MAILBOX, Bench, graph
from tests.waiting import eventually
from transports.errors import AccountProblem, Code, DeliveryError, MessageRefused, OutcomeUnknown, Throttled
from transports.message import Attachment, Mail, Mailbox, Receipt
from transports.microsoft365.calls import trace_id
from transports.microsoft365.transport import MOST_RECIPIENTS, Microsoft365Transport
from transports.protocol import Probe


@pytest.fixture
async def bench(tls: TestCertificates) -> AsyncIterator[Bench]:
    async with graph(tls) as found:
        yield found


async def refusal(transport: Microsoft365Transport, sent: Mail | None = None, timeout: float = 10) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await transport.send(sent or mail(), timeout)
    return caught.value


def full(sender: str) -> Mail:
    return mail(
        "jo@example.net",
        sender=sender,
        cc=(Mailbox("copy@example.net", "Çopy"),),
        bcc=(Mailbox("hidden@example.net"),),
        owed=(0, 1, 2),
        reply_to=(Mailbox("answers@example.org", "Answers"),),
        text="A text\n",
        html='<p>A text <img src="cid:picture@example.org"></p>',
        attachments=(
            Attachment("lëtter.pdf", "application/pdf", b"%PDF"),
            Attachment("picture.png", "image/png", b"\x89PNG", "picture@example.org"),
        ),
        in_reply_to="<thread@example.org>",
        references=("<root@example.org>", "<thread@example.org>"),
        headers=(
            ("X-Mailroom-Event", "event-1"),
            ("Auto-Submitted", "auto-generated"),
            ("List-Unsubscribe", "<https://example.org/u>"),
        ),
    )


@pytest.mark.parametrize(("sender", "form"), [(MAILBOX, "mime"), (MAILBOX.upper(), "mime"), (ALIAS, "json")])
async def test_the_own_address_goes_as_mime_and_any_other_as_json(bench: Bench, sender: str, form: str) -> None:
    sent = full(sender)
    assert await bench.transport().send(sent, 10) == Receipt("microsoft365", (0, 1, 2))
    taken = bench.box.mails[0]
    assert (taken.form, taken.sender.lower()) == (form, sender.lower())
    assert sorted(taken.recipients) == ["copy@example.net", "hidden@example.net", "jo@example.net"]
    got = email.message_from_bytes(taken.content, policy=policy.default)
    assert str(got["From"].addresses[0].display_name) == "Sender"
    assert (str(got["Reply-To"]), str(got["Cc"])) == ("Answers <answers@example.org>", "Çopy <copy@example.net>")
    assert "hidden@example.net" not in taken.content.decode()
    assert got["Message-ID"] == sent.message_id
    assert (got["In-Reply-To"], got["References"]) == (
        "<thread@example.org>",
        "<root@example.org> <thread@example.org>",
    )
    assert got["X-Mailroom-Event"] == "event-1"
    assert (got["Auto-Submitted"], got["List-Unsubscribe"]) == ("auto-generated", "<https://example.org/u>")
    files = {part.get_filename(): part.get_content() for part in got.walk() if part.get_filename()}
    assert files == {"lëtter.pdf": b"%PDF", "picture.png": b"\x89PNG"}
    picture = next(part for part in got.walk() if part.get_filename() == "picture.png")
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<picture@example.org>", "inline")


async def test_without_a_known_address_exchange_decides_about_every_sender(bench: Bench) -> None:
    transport = bench.transport(mailbox="")
    assert (await transport.send(mail(), 10)).accepted == (0,)
    assert (bench.box.mails[0].form, bench.box.mails[0].sender) == ("json", MAILBOX)
    assert (await refusal(transport, mail(sender="upn@example.org"))).code is Code.SENDER_REFUSED


async def test_a_sender_that_the_mailbox_has_no_right_to_is_refused_and_not_replaced(bench: Bench) -> None:
    transport = bench.transport()
    error = await refusal(transport, mail(sender="director@example.org"))
    assert (type(error), error.code) == (AccountProblem, Code.SENDER_REFUSED)
    assert not bench.box.mails
    assert (await transport.send(mail(), 10)).accepted == (0,), "the mailbox itself is none the worse"


async def test_more_than_five_fields_find_their_place(bench: Bench) -> None:
    fields = tuple((f"X-Field-{n}", f"value {n}") for n in range(8))
    await bench.transport().send(mail(sender=ALIAS, headers=fields), 10)
    got = email.message_from_bytes(bench.box.mails[0].content, policy=policy.default)
    assert [got[name] for name, _ in fields] == [value for _, value in fields]


async def test_extended_properties_that_are_refused_are_left_out_for_a_while(bench: Bench) -> None:
    refused = Fault.status(400, json.dumps({"error": {"code": "ErrorInvalidPropertySet", "message": "canary"}}))
    transport, sent = bench.transport(), mail(sender=ALIAS, headers=(("Auto-Submitted", "auto-generated"),))
    bench.box.fault("send", refused, times=1)
    for calls in (2, 3):
        assert (await transport.send(sent, 10)).accepted == (0,)
        got = email.message_from_bytes(bench.box.mails[-1].content, policy=policy.default)
        assert (got["Auto-Submitted"], bench.box.calls["send"]) == (None, calls)
    bench.clock.now += 3601
    await transport.send(sent, 10)
    got = email.message_from_bytes(bench.box.mails[-1].content, policy=policy.default)
    assert (got["Auto-Submitted"], got["Message-ID"]) == ("auto-generated", sent.message_id)
    bench.box.fault("send", refused, times=2)
    assert isinstance(await refusal(transport, sent), MessageRefused)
    assert (bench.box.calls["send"], len(bench.box.mails)) == (6, 3)


async def test_a_mail_without_extended_properties_is_sent_once_whatever_is_said(bench: Bench) -> None:
    bench.box.fault("send", Fault.status(400, json.dumps({"error": {"code": "ErrorInvalidPropertySet"}})), times=1)
    assert isinstance(await refusal(bench.transport()), MessageRefused)
    assert bench.box.calls["send"] == 1


async def test_an_app_names_the_mailbox(bench: Bench) -> None:
    bench.box.add_app("example.org", "app-1", secret="secret")
    transport = bench.transport(Grant(bench.box.app_token("app-1")), user=MAILBOX)
    assert (await transport.send(mail(), 10)).accepted == (0,)
    assert bench.box.mails[0].account == MAILBOX


async def test_the_trace_key_follows_from_the_message_id_alone() -> None:
    assert (
        trace_id("<1@example.org>")
        == trace_id("1@example.org")
        == str(uuid.uuid5(uuid.NAMESPACE_URL, "mid:1@example.org"))
    )


async def test_a_refused_token_is_renewed_once(bench: Bench) -> None:
    grant = Grant("expired", bench.token())
    assert (await bench.transport(grant).send(mail(), 10)).accepted == (0,)
    assert (grant.refreshes, bench.box.calls["send"], len(bench.box.mails)) == (1, 2, 1)


@pytest.mark.parametrize("tokens", [("bad",), ("bad", "worse", "worst")])
async def test_a_token_refused_again_is_the_account_s_and_remembered(bench: Bench, tokens: tuple[str, ...]) -> None:
    grant = Grant(*tokens)
    transport = bench.transport(grant)
    errors = await asyncio.gather(*(refusal(transport) for _ in range(50)))
    assert {(type(error), error.code) for error in errors} == {(AccountProblem, Code.RECONNECTION_NEEDED)}
    assert bench.box.calls["send"] == min(len(tokens), 2)
    await refusal(transport)
    assert bench.box.calls["send"] == min(len(tokens), 2)
    bench.clock.now += 901
    await refusal(transport)
    assert bench.box.calls["send"] > min(len(tokens), 2)


async def test_a_check_that_succeeds_ends_the_memory_of_a_refusal(bench: Bench) -> None:
    grant = Grant("bad")
    transport = bench.transport(grant)
    await refusal(transport)
    grant._tokens.append(bench.token())
    assert (await refusal(transport)).code is Code.RECONNECTION_NEEDED
    grant.refreshes = 1
    assert all(stage.ok for stage in await transport.check(10))
    assert (await transport.send(mail(), 10)).accepted == (0,)


async def test_a_missing_permission_is_named(bench: Bench) -> None:
    token = bench.box.token(MAILBOX, scopes=("https://graph.microsoft.com/User.Read",))
    assert (await refusal(bench.transport(Grant(token)))).code is Code.PERMISSION_MISSING


async def test_a_mailbox_without_a_licence_is_no_wrong_address(bench: Bench) -> None:
    bench.box.unlicense(MAILBOX)
    error = await refusal(bench.transport())
    assert (type(error), error.code) == (AccountProblem, Code.MAILBOX_UNAVAILABLE)


@pytest.mark.parametrize("way", ["seconds", "date"])
async def test_being_told_to_wait_is_obeyed_by_everybody(bench: Bench, way: str) -> None:
    transport = bench.transport()
    await transport.send(mail(), 10)
    after = 30 if way == "seconds" else formatdate(bench.box.clock() + 30, usegmt=True)
    bench.box.fault("send", Fault.throttle(after), times=1)
    error = await refusal(transport)
    assert isinstance(error, Throttled)
    assert error.retry_after == pytest.approx(30, abs=1)
    errors = await asyncio.gather(*(refusal(transport) for _ in range(20)))
    assert all(isinstance(each, Throttled) for each in errors)
    assert bench.box.calls["send"] == 2, "nobody hammers on"
    bench.clock.now += 31
    assert (await transport.send(mail(), 10)).accepted == (0,)


async def test_a_wait_outlives_the_transport_that_was_asked_for_it(bench: Bench) -> None:
    bench.box.fault("send", Fault.throttle(3600), times=1)
    await refusal(bench.transport())
    bench.clock.now += 1000
    error = await refusal(bench.transport())
    assert (type(error), error.retry_after, bench.box.calls["send"]) == (Throttled, 2600, 1)
    bench.clock.now += 2601
    assert (await bench.transport().send(mail(), 10)).accepted == (0,)


@pytest.mark.parametrize("after", [None, "soon"])
async def test_being_told_to_wait_without_a_time_is_obeyed_too(bench: Bench, after: str | None) -> None:
    bench.box.fault("send", Fault.status(429, b"", {} if after is None else {"Retry-After": after}), times=None)
    transport = bench.transport()
    errors = await asyncio.gather(*(refusal(transport) for _ in range(50)))
    assert {type(each) for each in errors} == {Throttled}
    assert bench.box.calls["send"] == 1


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_a_success_is_final_even_with_retry_after(bench: Bench, status: int) -> None:
    bench.box.fault("send", Fault.status(status, b"", {"Retry-After": "600"}), times=1)
    transport = bench.transport()
    assert (await transport.send(mail(), 10)).accepted == (0,)
    assert (await transport.send(mail(), 10)).accepted == (0,)


@pytest.mark.parametrize("fault", [Fault.accept_and_cut(), Fault.accept_and_hang(), Fault.status(500)])
async def test_a_lost_answer_is_asked_for_once(bench: Bench, fault: Fault) -> None:
    bench.box.fault("send", fault, times=None)
    assert isinstance(await refusal(bench.transport(), timeout=1), OutcomeUnknown)
    assert bench.box.calls["send"] == 1


async def test_a_mailbox_is_never_called_more_than_four_times_at_once(bench: Bench) -> None:
    transport = bench.transport()
    await asyncio.gather(*(transport.send(mail(), 20) for _ in range(40)))
    assert len(bench.box.mails) == 40
    assert bench.box.graph.traffic.highest <= 4


async def test_more_recipients_than_exchange_takes_are_several_mails(bench: Bench) -> None:
    everybody = [f"r{n}@example.net" for n in range(MOST_RECIPIENTS + 3)]
    receipt = await bench.transport().send(mail(*everybody), 20)
    assert receipt.accepted == tuple(range(len(everybody)))
    assert [len(taken.recipients) for taken in bench.box.mails] == [MOST_RECIPIENTS, 3]
    assert sorted(one for taken in bench.box.mails for one in taken.recipients) == sorted(everybody)


async def test_what_is_no_address_is_refused_without_a_call(bench: Bench) -> None:
    receipt = await bench.transport().send(mail("no address", "jo@example.net"), 10)
    assert receipt.accepted == (1,)
    assert [(position, error.code) for position, error in receipt.refused] == [(0, Code.RECIPIENT_REFUSED)]
    assert [taken.recipients for taken in bench.box.mails] == [("jo@example.net",)]


async def test_what_cannot_be_expressed_costs_no_call(bench: Bench) -> None:
    for sender in (MAILBOX, ALIAS):
        error = await refusal(bench.transport(), mail(sender=sender, headers=(("X-Bad\r\nBcc", "a"),)))
        assert (type(error), error.transport) == (MessageRefused, "microsoft365")
    assert not bench.box.calls


async def test_a_check_finds_out_what_can_be_found_out(bench: Bench) -> None:
    probe = Probe(MAILBOX)
    assert [stage.ok for stage in await bench.transport().check(10, probe=probe)] == [True] * 5
    dead = await bench.transport(Grant("bad")).check(10, probe=probe)
    assert [(stage.name, stage.code) for stage in dead][-1] == ("sign_in", Code.RECONNECTION_NEEDED)
    bench.box.unlicense(MAILBOX)
    unlicensed = await bench.transport().check(10, probe=probe)
    assert [(stage.name, stage.code) for stage in unlicensed][-1] == ("sign_in", Code.MAILBOX_UNAVAILABLE)
    wrong = await bench.transport().check(10, probe=Probe("nobody"))
    assert not bench.box.mails
    assert wrong[-1].ok is False


async def test_an_answer_nobody_knows_is_tried_later_and_told_as_such(bench: Bench) -> None:
    body = json.dumps({"error": {"code": "BrandNew", "message": "canary"}})
    bench.box.fault("send", Fault.status(409, body), times=1)
    error = await refusal(bench.transport())
    assert (error.code, error.detail) == (Code.UNKNOWN_REPLY, "409")


async def test_closing_ends_everything(bench: Bench) -> None:
    transport = bench.transport()
    running = asyncio.create_task(transport.send(mail(), 10))
    await eventually(lambda: bench.box.calls["send"])
    await transport.aclose()
    assert (await running).accepted == (0,)
    assert (await refusal(transport)).code is Code.NO_CONNECTION_FREE
    assert GRANT not in repr(transport)
