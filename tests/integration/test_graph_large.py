"""Large mails: a draft, its attachments in pieces, and nothing left behind when it does not work out."""

import asyncio
import email
import json
from collections.abc import AsyncIterator
from email import policy
from typing import Any

import pytest

from deploy.local.providers.base_values import Fault
from tests.fakes.smtpd_client import Grant, mail
from tests.fixtures_tls import TestCertificates
from tests.graph_bench import ALIAS, Bench, graph
from tests.waiting import eventually
from transports.errors import Code, DeliveryError, MessageRefused, OutcomeUnknown, Temporary, Throttled
from transports.message import Attachment, Mail, Mailbox
from transports.microsoft365.sizes import SMALL
from transports.microsoft365.transport import Microsoft365Transport

MB = 1_000_000


@pytest.fixture
async def bench(tls: TestCertificates) -> AsyncIterator[Bench]:
    async with graph(tls) as found:
        yield found


def large(*sizes: int, **fields: Any) -> Mail:
    content = bytes(range(256)) * (max(sizes) // 256 + 1)
    files = tuple(Attachment(f"{n}.bin", "application/x-thing", content[:size]) for n, size in enumerate(sizes))
    return mail("jo@example.net", attachments=files, **fields)


def contents(bench: Bench) -> list[bytes]:
    got = email.message_from_bytes(bench.box.mails[-1].content, policy=policy.default)
    return [part.get_content() for part in got.iter_attachments()]


async def refusal(transport: Microsoft365Transport, sent: Mail, timeout: float = 20) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await transport.send(sent, timeout)
    return caught.value


@pytest.mark.parametrize(("size", "form"), [(2 * MB, "mime"), (2_500_000, "json")])
async def test_what_fits_into_one_request_takes_one(bench: Bench, size: int, form: str) -> None:
    sent = large(size)
    await bench.transport().send(sent, 20)
    assert bench.box.mails[0].form == form
    assert contents(bench) == [sent.attachments[0].content]
    assert dict(bench.box.calls) == {"send": 1}


async def test_what_does_not_fit_is_refused_before_anything_is_sent(bench: Bench) -> None:
    for sent in (large(3_100_000), mail(text="é" * 3 * MB)):
        error = await refusal(bench.transport(), sent)
        assert (type(error), error.code) == (MessageRefused, Code.MESSAGE_TOO_LARGE)
    too_long = mail(text="é" * 3 * MB)
    assert (await refusal(bench.transport(large_mails=True), too_long)).code is Code.MESSAGE_TOO_LARGE
    assert not bench.box.calls


async def test_a_draft_is_made_without_extended_properties_that_are_refused(bench: Bench) -> None:
    bench.box.fault("draft", Fault.status(400, json.dumps({"error": {"code": "ErrorInvalidPropertySet"}})), times=1)
    sent = large(4 * MB, headers=(("Auto-Submitted", "auto-generated"),))
    assert (await bench.transport(large_mails=True).send(sent, 20)).accepted == (0,)
    assert (bench.box.calls["draft"], contents(bench)) == (2, [sent.attachments[0].content])
    assert b"Auto-Submitted" not in bench.box.mails[0].content


@pytest.mark.parametrize("sender", ["sender@example.org", ALIAS])
async def test_with_the_permission_it_goes_in_pieces(bench: Bench, sender: str) -> None:
    sent = large(9 * MB, 1000, SMALL - 3000, sender=sender, bcc=(Mailbox("hidden@example.net"),), owed=(0, 1))
    receipt = await bench.transport(large_mails=True).send(sent, 20)
    assert receipt.accepted == (0, 1)
    taken = bench.box.mails[0]
    assert (taken.form, taken.sender, sorted(taken.recipients)) == (
        "draft",
        sender,
        ["hidden@example.net", "jo@example.net"],
    )
    assert contents(bench) == [attachment.content for attachment in sent.attachments]
    got = email.message_from_bytes(taken.content, policy=policy.default)
    assert got["Message-ID"] == sent.message_id
    assert bench.box.calls["upload"] >= 3
    assert not bench.box.calls["draft:delete"]


async def test_an_inline_picture_may_be_large_too(bench: Bench) -> None:
    picture = Attachment("p.png", "image/png", b"p" * 4 * MB, "p@example.org")
    await bench.transport(large_mails=True).send(mail(html='<img src="cid:p@example.org">', attachments=(picture,)), 20)
    got = email.message_from_bytes(bench.box.mails[0].content, policy=policy.default)
    related = next(part for part in got.walk() if part.get_filename() == "p.png")
    assert (related["Content-ID"], len(related.get_content())) == ("<p@example.org>", 4 * MB)


@pytest.mark.parametrize("endpoint", ["draft", "upload_session", "upload"])
@pytest.mark.parametrize(
    "fault", [Fault.status(500), Fault.accept_and_cut(), Fault.throttle(7)], ids=["500", "lost answer", "throttled"]
)
async def test_whatever_fails_before_the_end_is_tried_again_and_leaves_nothing(
    bench: Bench, endpoint: str, fault: Fault
) -> None:
    transport = bench.transport(large_mails=True)
    bench.box.fault(endpoint, fault, times=1)
    error = await refusal(transport, large(5 * MB))
    assert isinstance(error, Temporary)
    assert isinstance(error, Throttled) is (fault.kind == "throttle")
    assert not bench.box.mails
    await transport.aclose()
    if not (endpoint == "draft" and fault.kind == "cut_after"):  # whose identifier never came
        assert not bench.box.graph.drafts.drafts


async def test_a_lost_answer_to_the_last_request_leaves_the_outcome_unknown(bench: Bench) -> None:
    transport = bench.transport(large_mails=True)
    bench.box.fault("send:draft", Fault.accept_and_cut(), times=1)
    assert isinstance(await refusal(transport, large(5 * MB)), OutcomeUnknown)
    await transport.aclose()
    assert not bench.box.calls["draft:delete"]
    assert len(bench.box.mails) == 1


async def test_a_refusal_of_the_last_request_deletes_the_draft(bench: Bench) -> None:
    transport = bench.transport(large_mails=True)
    assert (await refusal(transport, large(5 * MB, sender="director@example.org"))).code is Code.SENDER_REFUSED
    await transport.aclose()
    assert bench.box.calls["draft:delete"] == 1
    assert not bench.box.graph.drafts.drafts


async def test_without_the_permission_after_all_only_the_large_mail_is_refused(bench: Bench) -> None:
    transport = bench.transport(Grant(bench.box.token("sender@example.org")), large_mails=True)
    error = await refusal(transport, large(5 * MB))
    assert (type(error), error.code) == (MessageRefused, Code.MESSAGE_TOO_LARGE)
    assert (await transport.send(mail(), 10)).accepted == (0,)


@pytest.mark.parametrize("status", [401, 403, 404, 410])
async def test_an_upload_that_is_no_longer_allowed_says_nothing_about_the_account(bench: Bench, status: int) -> None:
    transport = bench.transport(large_mails=True)
    bench.box.fault("upload", Fault.status(status), times=1)
    assert isinstance(await refusal(transport, large(5 * MB)), Temporary)
    assert (await transport.send(mail(), 10)).accepted == (0,)
    await transport.aclose()


async def test_no_time_left_ends_in_time_and_the_draft_is_deleted_beside_it(bench: Bench) -> None:
    transport = bench.transport(large_mails=True)
    bench.box.fault("upload", Fault.accept_and_hang(), times=1)
    begun = asyncio.get_running_loop().time()
    assert isinstance(await refusal(transport, large(5 * MB), timeout=1.5), Temporary)
    assert asyncio.get_running_loop().time() - begun < 2.5
    await eventually(lambda: not bench.box.graph.drafts.drafts)
    await transport.aclose()


async def test_a_cancelled_upload_deletes_its_draft(bench: Bench) -> None:
    transport = bench.transport(large_mails=True)
    bench.box.fault("upload", Fault.accept_and_hang(), times=1)
    sending = asyncio.create_task(transport.send(large(5 * MB), 20))
    await eventually(lambda: bench.box.calls["upload"])
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await transport.aclose()
    assert not bench.box.graph.drafts.drafts
