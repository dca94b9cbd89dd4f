"""Connections: how many, how long, when they are given up, and what a mail notices of it."""

import asyncio
from collections import Counter

import pytest

from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import Clock, mail, transport
from tests.fakes.smtpd_raw import Peer, raw_server
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually
from transports.errors import Code, DeliveryError, Unreachable
from transports.smtp.observer import ConnectionState


class Counting:
    """An observer that adds up."""

    def __init__(self) -> None:
        self.states: Counter[ConnectionState] = Counter()
        self.most_busy = 0
        self.opens = self.closes = 0

    def changed(self, state: ConnectionState, delta: int) -> None:
        self.states[state] += delta
        assert self.states[state] >= 0
        self.most_busy = max(self.most_busy, self.states[ConnectionState.BUSY])

    def opened(self) -> None:
        self.opens += 1

    def closed(self) -> None:
        self.closes += 1


async def test_one_connection_serves_mail_after_mail(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context())
        for _ in range(5):
            await sending.send(mail(), 10)
        assert smtpd.connections == 1
        await sending.aclose()
        await eventually(lambda: smtpd.open_connections == 0)
        assert smtpd.commands[-1] == "QUIT"


async def test_never_more_connections_than_allowed(tls: TestCertificates) -> None:
    counting = Counting()
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context(), max_connections=3, context_observer=counting)
        await asyncio.gather(*(sending.send(mail(), 20) for _ in range(60)))
        assert smtpd.most_connections <= 3
        assert counting.most_busy <= 3
        await sending.aclose()
    assert len(smtpd.mails) == 60
    assert counting.opens == counting.closes == smtpd.connections
    assert not any(counting.states.values())


async def test_connections_are_given_up_by_mails_and_idleness(tls: TestCertificates) -> None:
    clock = Clock()
    with FakeSmtpd() as smtpd:
        sending = transport(
            smtpd.port,
            tls.client_context(),
            context_clock=clock,
            context_max_mails_per_connection=2,
            context_max_idle=30.0,
        )
        for _ in range(4):
            await sending.send(mail(), 10)
        assert smtpd.connections == 2
        await sending.send(mail(), 10)
        assert smtpd.connections == 3
        clock.now += 31
        await sending.send(mail(), 10)
        assert smtpd.connections == 4
        await sending.aclose()


async def test_a_busy_connection_is_given_up_by_its_age(tls: TestCertificates) -> None:
    clock = Clock()
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context(), context_clock=clock, context_max_age=50.0)
        await sending.send(mail(), 10)
        clock.now += 29
        await sending.send(mail(), 10)
        assert smtpd.connections == 1
        clock.now += 22
        await sending.send(mail(), 10)
        assert smtpd.connections == 2
        await sending.aclose()


async def test_idle_connections_are_closed_by_themselves(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context(), context_max_idle=0.1)
        await sending.send(mail(), 10)
        await eventually(lambda: smtpd.open_connections == 0)
        assert smtpd.commands[-1] == "QUIT"
        await sending.aclose()


async def test_a_kept_connection_the_server_closed_is_replaced_unnoticed(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context())
        for round_ in range(3):
            await sending.send(mail(), 10)
            smtpd.drop_connections()
            receipts = await asyncio.gather(*(sending.send(mail(), 10) for _ in range(5)))
            assert all(receipt.accepted == (0,) for receipt in receipts), round_
        await sending.aclose()
    assert len(smtpd.mails) == 18


@pytest.mark.parametrize("action", [Wire.CUT, "421 4.4.2 timeout exceeded", "421 4.7.0 idle too long"])
async def test_a_kept_connection_that_fails_at_mail_is_retried_once_and_a_fresh_one_is_not(
    tls: TestCertificates, action: Wire | str
) -> None:
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context())
        await sending.send(mail(), 10)
        smtpd.script.on("MAIL", action, times=1)
        assert (await sending.send(mail(), 10)).accepted == (0,)
        assert smtpd.connections == 2
        smtpd.script.on("MAIL", action)
        with pytest.raises(DeliveryError):
            await sending.send(mail(), 10)
        assert smtpd.connections == 3
        with pytest.raises(DeliveryError):
            await sending.send(mail(), 10)
        assert smtpd.connections == 4
        await sending.aclose()


@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
async def test_after_mail_was_accepted_nothing_is_retried_unnoticed(tls: TestCertificates, verb: str) -> None:
    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context())
        await sending.send(mail(), 10)
        smtpd.script.on(verb, Wire.CUT, times=1)
        with pytest.raises(Unreachable):
            await sending.send(mail(), 10)
        assert smtpd.connections == 1
        await sending.aclose()


async def test_a_goodbye_that_came_while_idle_is_not_taken_for_an_answer(tls: TestCertificates) -> None:
    idle, said = asyncio.Event(), asyncio.Event()

    async def leaving(peer: Peer) -> None:
        await peer.greet()
        await peer.accept()
        await idle.wait()
        await peer.say("421 4.4.2 idle too long")
        said.set()
        await peer.hang()

    async def staying(peer: Peer) -> None:
        await peer.greet()
        await peer.accept()
        await peer.hang()

    async with raw_server(leaving, staying) as raw:
        sending = transport(raw.port, tls.client_context())
        await sending.send(mail(), 10)
        idle.set()
        await said.wait()
        for _ in range(10):
            # Both ends are in this loop: what was said is read within a few of its turns.
            await asyncio.sleep(0)
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_waiting_for_a_connection_is_bounded_by_the_send_timeout(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("MAIL", Wire.HANG)
        sending = transport(smtpd.port, tls.client_context(), max_connections=1)
        busy = asyncio.create_task(sending.send(mail(), 30))
        await eventually(lambda: "MAIL" in "".join(smtpd.commands))
        with pytest.raises(Unreachable) as caught:
            await sending.send(mail(), 0.3)
        assert caught.value.code is Code.NO_CONNECTION_FREE
        busy.cancel()
        with pytest.raises(asyncio.CancelledError):
            await busy
        smtpd.script.clear()
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_a_dead_endpoint_is_tried_once_for_all_who_wait(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("GREETING", "554 5.3.2 no service")
        sending = transport(smtpd.port, tls.client_context())
        outcomes = await asyncio.gather(*(sending.send(mail(), 10) for _ in range(30)), return_exceptions=True)
        assert {getattr(outcome, "code", outcome) for outcome in outcomes} == {Code.ENDPOINT_UNAVAILABLE}
        assert smtpd.connections == 1
        smtpd.script.clear()
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_who_opens_first_may_be_cancelled_and_another_takes_over(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("EHLO", Wire.HANG, times=1)
        sending = transport(smtpd.port, tls.client_context())
        first = asyncio.create_task(sending.send(mail(), 30))
        await eventually(lambda: smtpd.commands)
        others = [asyncio.create_task(sending.send(mail(), 10)) for _ in range(5)]
        await asyncio.sleep(0)
        first.cancel()
        receipts = await asyncio.gather(*others)
        assert all(receipt.accepted == (0,) for receipt in receipts)
        await asyncio.gather(first, return_exceptions=True)
        await sending.aclose()
