"""The wire breaks, hangs or talks nonsense in every phase: *not sent* and *unknown* are never confused."""

import asyncio
import time
from typing import Any

import pytest

from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import CREDENTIALS, PASSWORD, USER, mail, transport
from tests.fakes.smtpd_raw import Peer, raw_server
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually
from transports.errors import Code, DeliveryError, MessageRefused, OutcomeUnknown, Temporary, Unreachable
from transports.smtp.settings import Security

BEFORE = ["GREETING", "EHLO", "STARTTLS", "TLS", "AUTH", "MAIL", "RCPT", "DATA", "UPLOAD"]


async def outcome(smtpd: FakeSmtpd, tls: TestCertificates, timeout: float = 10.0, **changes: Any) -> DeliveryError:
    sending = transport(
        smtpd.port, tls.client_context(), Security.STARTTLS, username=USER, password=PASSWORD, **changes
    )
    with pytest.raises(DeliveryError) as caught:
        await sending.send(mail(text="x" * 70_000), timeout)
    smtpd.script.clear()
    assert (await sending.send(mail(), 10)).accepted == (0,), "a failure must not spoil the next mail"
    await sending.aclose()
    return caught.value


def server(tls: TestCertificates) -> FakeSmtpd:
    return FakeSmtpd(tls=tls.server.server_context(), credentials=CREDENTIALS)


@pytest.mark.parametrize("phase", BEFORE[:-1])
async def test_a_cut_before_the_final_dot_is_not_sent(tls: TestCertificates, phase: str) -> None:
    with server(tls) as smtpd:
        smtpd.script.on(phase, Wire.CUT)
        error = await outcome(smtpd, tls)
    assert isinstance(error, Unreachable)
    assert len(smtpd.mails) == 1


@pytest.mark.parametrize("phase", BEFORE[:-1])
async def test_silence_before_the_final_dot_is_not_sent(tls: TestCertificates, phase: str) -> None:
    with server(tls) as smtpd:
        smtpd.script.on(phase, Wire.HANG)
        begun = time.monotonic()
        error = await outcome(smtpd, tls, context_command_timeout=0.4, timeout=3.0)
        assert time.monotonic() - begun < 6
    assert isinstance(error, Unreachable)
    assert len(smtpd.mails) == 1


@pytest.mark.parametrize("action", [Wire.CUT, Wire.HANG])
async def test_a_mail_that_fits_the_socket_is_unknown_when_nobody_says_it_was_not_read(
    tls: TestCertificates, action: Wire
) -> None:
    with server(tls) as smtpd:
        smtpd.script.on("UPLOAD", action)
        error = await outcome(smtpd, tls, timeout=1.0)
    assert isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize("phase", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "UPLOAD"])
async def test_421_before_the_final_dot_is_unreachable(tls: TestCertificates, phase: str) -> None:
    with server(tls) as smtpd:
        smtpd.script.on(phase, "421 4.3.0 closing down", times=1 if phase != "MAIL" else None)
        error = await outcome(smtpd, tls)
    assert isinstance(error, Temporary)
    assert error.code in (Code.ENDPOINT_UNAVAILABLE, Code.TEMPORARY_FAILURE)
    assert len(smtpd.mails) == 1


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        (Wire.CUT, OutcomeUnknown),
        (Wire.TAKE_AND_CUT, OutcomeUnknown),
        (Wire.TAKE_AND_HANG, OutcomeUnknown),
        ("421 4.3.0 closing down", Unreachable),
        ("451 4.3.0 later", Temporary),
        ("554 5.6.0 no", MessageRefused),
        ("354 more?", OutcomeUnknown),
    ],
)
async def test_after_the_final_dot_only_a_reply_tells(
    tls: TestCertificates, action: Wire | str, kind: type[DeliveryError]
) -> None:
    with server(tls) as smtpd:
        smtpd.script.on("BODY", action)
        error = await outcome(smtpd, tls, timeout=1.5)
    assert isinstance(error, kind)


async def test_the_wait_for_the_final_reply_is_the_send_timeout_not_the_command_timeout(
    tls: TestCertificates,
) -> None:
    released = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.greet()
        await peer.envelope()
        await peer.hear("DATA")
        await peer.say("354 Go")
        await peer.message()
        await released.wait()
        await peer.say("250 2.0.0 Taken")
        await peer.hang()

    async with raw_server(slow) as raw:
        sending = transport(raw.port, tls.client_context(), context_command_timeout=0.2)
        task = asyncio.create_task(sending.send(mail(), 10))
        asyncio.get_running_loop().call_later(0.6, released.set)
        assert (await task).accepted == (0,)
        await sending.aclose()


@pytest.mark.parametrize("verb", ["MAIL", "DATA", "BODY"])
async def test_a_cancelled_send_never_gives_its_reply_to_the_next_mail(tls: TestCertificates, verb: str) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on(verb, Wire.HANG, times=1)
        sending = transport(smtpd.port, tls.client_context(), max_connections=1)
        task = asyncio.create_task(sending.send(mail("first@example.net"), 30))
        reached = "DATA" if verb == "BODY" else verb
        await eventually(lambda: [each for each in smtpd.commands if each.startswith(reached)])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await sending.send(mail("second@example.net"), 10)).accepted == (0,)
        assert smtpd.connections == 2
        assert [received.recipients for received in smtpd.mails] == [("second@example.net",)]
        await sending.aclose()
