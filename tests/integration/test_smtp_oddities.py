"""A server that talks nonsense, talks too much, too slowly or at the wrong moment."""

import asyncio
import time

import pytest

from tests.fakes.smtpd_client import mail, transport
from tests.fakes.smtpd_raw import Peer, Talk, raw_server
from tests.fixtures_tls import TestCertificates
from transports.errors import Code, DeliveryError, MessageRefused, OutcomeUnknown, Temporary, Unreachable


async def failing(tls: TestCertificates, talk: Talk, timeout: float = 5.0, body: str = "text") -> DeliveryError:
    async with raw_server(talk) as raw:
        sending = transport(raw.port, tls.client_context(), context_command_timeout=1.0)
        with pytest.raises(DeliveryError) as caught:
            await sending.send(mail(text=body), timeout)
        await sending.aclose()
    return caught.value


MALFORMED = [
    b"hello\r\n",
    b"\r\n",
    b"9\r\n",
    b"xyz ok\r\n",
    b"\xff\xfe\x00\r\n",
    b"250-a\r\nbad\r\n",
    b"250\xff" * 9000,
]


@pytest.mark.parametrize("nonsense", MALFORMED)
async def test_a_malformed_reply_is_a_protocol_error(tls: TestCertificates, nonsense: bytes) -> None:
    async def talk(peer: Peer) -> None:
        await peer.greet()
        await peer.hear("MAIL")
        await peer.raw(nonsense)
        await peer.hang()

    error = await failing(tls, talk)
    assert isinstance(error, Temporary)
    assert error.code is Code.PROTOCOL_ERROR


@pytest.mark.parametrize("nonsense", MALFORMED)
async def test_a_malformed_reply_after_the_final_dot_is_unknown(tls: TestCertificates, nonsense: bytes) -> None:
    async def talk(peer: Peer) -> None:
        await peer.greet()
        await peer.envelope()
        await peer.hear("DATA")
        await peer.say("354 Go")
        await peer.message()
        await peer.raw(nonsense)
        await peer.hang()

    assert isinstance(await failing(tls, talk), OutcomeUnknown)


async def test_a_reply_without_end_is_cut_off(tls: TestCertificates) -> None:
    sent = 0

    async def flood(peer: Peer) -> None:
        nonlocal sent
        await peer.say("220 raw.example")
        await peer.hear("EHLO")
        while True:
            await peer.raw(b"250-more\r\n" * 1000)
            sent += 1

    error = await failing(tls, flood)
    assert error.code is Code.PROTOCOL_ERROR
    assert sent < 2000


async def test_a_reply_that_drips_is_bounded_by_the_command_timeout(tls: TestCertificates) -> None:
    async def drip(peer: Peer) -> None:
        await peer.greet()
        await peer.hear("MAIL")
        while True:
            await peer.raw(b"2")
            await asyncio.sleep(0.1)  # a reply that drips is the subject

    begun = time.monotonic()
    assert (await failing(tls, drip)).code is Code.REPLY_TIMEOUT
    assert time.monotonic() - begun < 3


async def test_a_reply_in_pieces_is_put_together(tls: TestCertificates) -> None:
    async def pieces(peer: Peer) -> None:
        for piece in (b"2", b"20-raw\r", b"\n220", b" ready\r\n"):
            await peer.raw(piece)
            await asyncio.sleep(0.01)  # a slow wire is the subject
        await peer.hear("EHLO")
        await peer.say("250 raw")
        await peer.accept()
        await peer.hang()

    async with raw_server(pieces) as raw:
        sending = transport(raw.port, tls.client_context())
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_replies_nobody_asked_for_are_never_taken_for_an_answer(tls: TestCertificates) -> None:
    async def ahead(peer: Peer) -> None:
        await peer.greet()
        await peer.hear("MAIL")
        # Three answers to one question: taken in turn they would accept recipient and message unseen.
        await peer.raw(b"250 OK\r\n250 OK\r\n354 Go\r\n250 Taken\r\n")
        await peer.hang()

    error = await failing(tls, ahead)
    assert (error.code, error.detail) == (Code.CONNECTION_LOST, "at rcpt")


async def test_a_server_that_gives_up_during_the_upload_is_heard(tls: TestCertificates) -> None:
    async def impatient(peer: Peer) -> None:
        await peer.greet()
        await peer.envelope()
        await peer.hear("DATA")
        await peer.say("354 Go")
        await peer.reader.read(1000)
        await peer.say("552 5.3.4 Too big")
        await peer.stall()

    begun = time.monotonic()
    error = await failing(tls, impatient, timeout=20, body="y" * 60 + "\n" + "x" * 12_000_000)
    assert isinstance(error, MessageRefused)
    assert error.code is Code.MESSAGE_TOO_LARGE
    assert time.monotonic() - begun < 10


async def test_a_cut_while_most_of_the_mail_is_still_here_is_not_sent(tls: TestCertificates) -> None:
    async def cutting(peer: Peer) -> None:
        await peer.greet()
        await peer.envelope()
        await peer.hear("DATA")
        await peer.say("354 Go")
        await peer.reader.read(1000)
        peer.cut()

    error = await failing(tls, cutting, timeout=20, body="x" * 12_000_000)
    assert isinstance(error, Unreachable)
    assert error.code is Code.CONNECTION_LOST


async def test_a_cut_right_after_a_small_mail_is_unknown(tls: TestCertificates) -> None:
    async def cutting(peer: Peer) -> None:
        await peer.greet()
        await peer.envelope()
        await peer.hear("DATA")
        await peer.say("354 Go")
        await peer.message()
        peer.cut()

    assert isinstance(await failing(tls, cutting), OutcomeUnknown)
