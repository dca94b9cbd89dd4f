"""A server that wants fewer connections than we would like, and a pool that closes."""

import asyncio

import pytest

from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import Clock, mail, transport
from tests.fakes.smtpd_raw import Peer, raw_server
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually
from transports.errors import Code, Throttled, Unreachable
from transports.message import Receipt


async def test_a_server_with_fewer_connections_than_we_like_makes_the_pool_smaller(tls: TestCertificates) -> None:
    with FakeSmtpd(max_connections=2) as smtpd:
        sending = transport(smtpd.port, tls.client_context(), max_connections=6)
        receipts = await asyncio.gather(*(sending.send(mail(), 20) for _ in range(40)))
        assert all(receipt.accepted == (0,) for receipt in receipts)
        first = smtpd.connections
        await asyncio.gather(*(sending.send(mail(), 20) for _ in range(40)))
        assert smtpd.connections == first, "a lowered limit is kept for a while"
        await sending.aclose()


async def test_the_lowered_limit_rises_again_after_a_while(tls: TestCertificates) -> None:
    clock = Clock()
    with FakeSmtpd(max_connections=1) as smtpd:
        sending = transport(
            smtpd.port, tls.client_context(), max_connections=2, context_clock=clock, context_limit_recovery=300.0,
            context_max_idle=1e6, context_max_age=1e6,
        )  # fmt: skip
        await asyncio.gather(*(sending.send(mail(), 20) for _ in range(10)))
        smtpd.max_connections = None
        smtpd.most_connections = 1
        clock.now += 301
        await asyncio.gather(*(sending.send(mail(), 20) for _ in range(10)))
        assert smtpd.most_connections == 2
        await sending.aclose()


LIMIT = "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded"


@pytest.mark.parametrize("verb", ["MAIL", "BODY"])
async def test_a_thread_limit_met_in_a_mail_waits_for_the_others_instead_of_failing(
    tls: TestCertificates, verb: str
) -> None:
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context(), max_connections=3)
        await asyncio.gather(*(sending.send(mail(), 20) for _ in range(9)))
        assert smtpd.connections == 3
        smtpd.script.on(verb, LIMIT, times=2)
        receipts = await asyncio.gather(*(sending.send(mail(), 20) for _ in range(9)))
        assert all(receipt.accepted == (0,) for receipt in receipts)
        assert len(smtpd.mails) == 18
        await sending.aclose()


async def test_a_thread_limit_met_alone_is_throttling(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("BODY", LIMIT)
        sending = transport(smtpd.port, tls.client_context())
        with pytest.raises(Throttled) as caught:
            await sending.send(mail(), 10)
        assert caught.value.code is Code.TOO_MANY_CONNECTIONS
        assert caught.value.retry_after == 60
        await sending.aclose()


async def test_closing_lets_running_sends_finish_and_turns_waiting_ones_away(tls: TestCertificates) -> None:
    release, reached = asyncio.Event(), asyncio.Event()

    async def slow(peer: Peer) -> None:
        await peer.greet()
        await peer.envelope()
        reached.set()
        await release.wait()
        await peer.hear("DATA")
        await peer.say("354 Go")
        await peer.message()
        await peer.say("250 2.0.0 Taken")
        await peer.hear("QUIT")
        await peer.say("221 2.0.0 Bye")

    async with raw_server(slow) as raw:
        sending = transport(raw.port, tls.client_context(), max_connections=1)
        running = asyncio.create_task(sending.send(mail(), 10))
        await reached.wait()
        waiting = asyncio.create_task(sending.send(mail(), 10))
        await asyncio.sleep(0)
        closing = asyncio.create_task(sending.aclose())
        with pytest.raises(Unreachable):
            await waiting
        assert not closing.done()
        release.set()
        assert await running == Receipt("smtp", (0,))
        await closing
        assert raw.peers[0].heard[-1] == b"QUIT\r\n"


async def test_a_server_that_does_not_say_goodbye_does_not_hold_us_up(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("QUIT", Wire.HANG)
        sending = transport(smtpd.port, tls.client_context(), context_quit_timeout=0.2)
        await sending.send(mail(), 10)
        async with asyncio.timeout(2):
            await sending.aclose()
        await eventually(lambda: smtpd.open_connections == 0)
