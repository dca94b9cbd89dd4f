"""Recipients, sizes and extensions: what becomes of each recipient, and what is not even tried."""

import asyncio
from typing import Any

import pytest

from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import mail, transport
from tests.fakes.smtpd_raw import Peer, raw_server
from tests.fixtures_tls import TestCertificates
from transports.errors import (
    AccountProblem,
    Code,
    MessageRefused,
    OutcomeUnknown,
    RecipientDeferred,
    RecipientRefused,
    Temporary,
)
from transports.message import Mail, Receipt
from transports.mime import render
from transports.smtp.settings import Security


async def sent(smtpd: FakeSmtpd, tls: TestCertificates, item: Mail, times: int = 1, **changes: Any) -> list[Receipt]:
    sending = transport(smtpd.port, tls.client_context(), **changes)
    try:
        return [await sending.send(item, 10) for _ in range(times)]
    finally:
        await sending.aclose()


def codes(receipt: Receipt) -> dict[int, Code]:
    return {position: error.code for position, error in receipt.refused}


@pytest.mark.parametrize("text", [".\n..\n.dot\nend\n", ".\n" * 40_000, "x\n.\nQUIT\n", "." * 900 + "\n.\n"])
async def test_the_message_arrives_byte_for_byte_with_its_dots(tls: TestCertificates, text: str) -> None:
    item = mail(text=text)
    with FakeSmtpd() as smtpd:
        await sent(smtpd, tls, item)
    (received,) = smtpd.mails
    assert received.content == render(item, utf8=False)
    assert smtpd.violations == []
    assert f"SIZE={len(received.content)}" in received.options


async def test_a_mail_over_the_server_s_size_is_refused_before_upload(tls: TestCertificates) -> None:
    with FakeSmtpd(size=1000) as smtpd:
        with pytest.raises(MessageRefused) as caught:
            await sent(smtpd, tls, mail(text="x" * 2000))
        assert caught.value.code is Code.MESSAGE_TOO_LARGE
        assert not [command for command in smtpd.commands if command.startswith(("MAIL", "DATA"))]
        assert (await sent(smtpd, tls, mail()))[0].accepted == (0,)


async def test_a_size_without_a_number_is_no_limit(tls: TestCertificates) -> None:
    async def unlimited(peer: Peer) -> None:
        await peer.greet("SIZE")
        await peer.accept()
        await peer.hang()

    async with raw_server(unlimited) as raw:
        sending = transport(raw.port, tls.client_context())
        assert (await sending.send(mail(text="x" * 100_000), 10)).accepted == (0,)
        await sending.aclose()


async def test_greylisted_recipients_are_put_off_and_taken_the_second_time(tls: TestCertificates) -> None:
    with FakeSmtpd(greylisting=True) as smtpd:
        first, second = await sent(smtpd, tls, mail(), times=2)
    assert codes(first) == {0: Code.RECIPIENT_GREYLISTED}
    error = first.refused[0][1]
    assert isinstance(error, RecipientDeferred)
    assert (error.detail, error.retry_after) == ("450 4.7.1", 300.0)
    assert second.accepted == (0,)


async def test_all_refused_is_reset_and_the_connection_kept(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("RCPT", "550 5.1.1 unknown", times=2)
        sending = transport(smtpd.port, tls.client_context())
        receipt = await sending.send(mail("a@example.net", "b@example.net"), 10)
        assert receipt.accepted == ()
        assert codes(receipt) == dict.fromkeys((0, 1), Code.RECIPIENT_REFUSED)
        assert "RSET" in smtpd.commands
        assert (await sending.send(mail(), 10)).accepted == (0,)
        assert smtpd.connections == 1
        await sending.aclose()


async def test_too_many_recipients_go_on_in_further_transactions(tls: TestCertificates) -> None:
    everyone = mail(*(f"r{n}@example.net" for n in range(7)))
    with FakeSmtpd(max_recipients=3) as smtpd:
        (receipt,) = await sent(smtpd, tls, everyone)
        assert receipt == Receipt("smtp", tuple(range(7)))
        assert [len(received.recipients) for received in smtpd.mails] == [3, 3, 1]
        assert smtpd.connections == 1


async def test_552_for_a_recipient_after_others_means_too_many(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("RCPT", "552 Too many recipients", match="r2@", times=1)
        (receipt,) = await sent(smtpd, tls, mail("r1@example.net", "r2@example.net", "r3@example.net"))
        assert receipt.accepted == (0, 1, 2)
        assert [received.recipients for received in smtpd.mails] == [
            ("r1@example.net",),
            ("r2@example.net", "r3@example.net"),
        ]


async def test_too_many_for_the_very_first_recipient_is_put_off_and_never_a_loop(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("RCPT", "452 4.5.3 Too many recipients")
        (receipt,) = await sent(smtpd, tls, mail("a@example.net", "b@example.net"))
    assert codes(receipt) == dict.fromkeys((0, 1), Code.TOO_MANY_RECIPIENTS)


async def test_what_was_accepted_stays_accepted_when_a_later_transaction_fails(tls: TestCertificates) -> None:
    for action, code in (("451 4.3.0 busy", Code.TEMPORARY_FAILURE), (Wire.TAKE_AND_CUT, Code.OUTCOME_UNKNOWN)):
        with FakeSmtpd(max_recipients=2) as smtpd:
            smtpd.script.on("BODY", "250 2.0.0 OK", times=1).on("BODY", action)
            (receipt,) = await sent(smtpd, tls, mail("a@x.example", "b@x.example", "c@x.example", "d@x.example"))
        assert receipt.accepted == (0, 1)
        assert codes(receipt) == {2: code, 3: code}
        if code is Code.OUTCOME_UNKNOWN:
            assert isinstance(receipt.refused[0][1], OutcomeUnknown)


async def test_a_mail_refused_as_a_whole_is_raised_even_if_a_recipient_was_refused_too(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("RCPT", "550 5.1.1 unknown", match="no@").on("DATA", "451 4.3.0 later")
        with pytest.raises(Temporary) as caught:
            await sent(smtpd, tls, mail("no@example.net", "yes@example.net"))
    assert caught.value.detail == "451 4.3.0"


async def test_relaying_denied_for_all_is_the_account_and_for_one_the_recipient(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("RCPT", "554 5.7.1 Relay access denied", match="@far.example")
        with pytest.raises(AccountProblem) as caught:
            await sent(smtpd, tls, mail("a@far.example", "b@far.example"))
        assert caught.value.code is Code.RELAYING_DENIED
        (receipt,) = await sent(smtpd, tls, mail("a@far.example", "b@near.example"))
    assert receipt.accepted == (1,)
    assert isinstance(receipt.refused[0][1], RecipientRefused)


@pytest.mark.parametrize("verb", ["RCPT", "DATA", "BODY"])
async def test_a_quota_met_anywhere_is_the_account_s(tls: TestCertificates, verb: str) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on(verb, "550 5.4.5 Daily user sending limit exceeded")
        with pytest.raises(AccountProblem) as caught:
            await sent(smtpd, tls, mail("a@example.net", "b@example.net"))
    assert caught.value.code is Code.QUOTA_EXHAUSTED
    assert caught.value.retry_after == 86400


async def test_a_refused_sender_keeps_its_error_although_rset_fails(tls: TestCertificates) -> None:
    for trouble in (Wire.HANG, Wire.CUT, "500 5.5.1 what?", "421 4.3.0 bye"):
        with FakeSmtpd() as smtpd:
            smtpd.script.on("MAIL", "550 5.7.60 not your address", times=1).on("RSET", trouble, times=1)
            sending = transport(smtpd.port, tls.client_context(), context_reset_timeout=0.2)
            with pytest.raises(AccountProblem) as caught:
                await sending.send(mail(), 10)
            assert (caught.value.code, caught.value.detail) == (Code.SENDER_REFUSED, "550 5.7.60")
            assert (await sending.send(mail(), 10)).accepted == (0,)
            assert smtpd.connections == 2
            await sending.aclose()


UNICODE = "jörg@example.net"


async def test_smtputf8_is_used_when_offered_and_needed(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        (receipt,) = await sent(smtpd, tls, mail(UNICODE, "b@example.net"))
        assert receipt.accepted == (0, 1)
        assert {"SMTPUTF8", "BODY=8BITMIME"} <= set(smtpd.mails[0].options)
        assert smtpd.mails[0].recipients == (UNICODE, "b@example.net")
        await sent(smtpd, tls, mail("b@münchen.example"))
        assert smtpd.mails[1].recipients == ("b@xn--mnchen-3ya.example",)
        assert "SMTPUTF8" not in smtpd.mails[1].options


async def test_without_smtputf8_only_those_who_need_it_are_refused(tls: TestCertificates) -> None:
    with FakeSmtpd(smtputf8=False) as smtpd:
        (receipt,) = await sent(smtpd, tls, mail(UNICODE, "b@example.net"))
        assert receipt.accepted == (1,)
        assert codes(receipt) == {0: Code.SMTPUTF8_UNSUPPORTED}
        assert isinstance(receipt.refused[0][1], RecipientRefused)
        assert smtpd.mails[0].content.isascii()
        (alone,) = await sent(smtpd, tls, mail(UNICODE))
        assert codes(alone) == {0: Code.SMTPUTF8_UNSUPPORTED}
        with pytest.raises(MessageRefused) as caught:
            await sent(smtpd, tls, mail(sender="jörg@example.org"))
    assert caught.value.code is Code.SMTPUTF8_UNSUPPORTED


async def test_smtputf8_without_8bitmime_is_refused_not_sent_broken(tls: TestCertificates) -> None:
    with FakeSmtpd(hidden=("8BITMIME",)) as smtpd:
        with pytest.raises(MessageRefused) as caught:
            await sent(smtpd, tls, mail(UNICODE))
        assert caught.value.code is Code.SMTPUTF8_UNSUPPORTED
        assert smtpd.mails == []


async def test_a_server_that_only_knows_helo_gets_mails(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        smtpd.script.on("EHLO", "502 5.5.1 not implemented")
        (receipt,) = await sent(smtpd, tls, mail())
        assert receipt.accepted == (0,)
        with pytest.raises(AccountProblem) as caught:
            await sent(smtpd, tls, mail(), security=Security.STARTTLS)
        assert caught.value.code is Code.TLS_NOT_OFFERED


async def test_a_large_mail_over_a_slow_wire_is_not_cut_by_the_command_timeout(tls: TestCertificates) -> None:
    size = 3_000_000

    async def slow(peer: Peer) -> None:
        await peer.greet()
        await peer.envelope()
        await peer.hear("DATA")
        await peer.say("354 Go")
        read = b""
        while not read.endswith(b"\r\n.\r\n"):
            read = read[-8:] + await peer.reader.read(65536)
            await asyncio.sleep(0.01)  # a slow wire is the subject
        await peer.say("250 2.0.0 Taken")
        await peer.hang()

    async with raw_server(slow) as raw:
        sending = transport(raw.port, tls.client_context(), context_command_timeout=0.3)
        assert (await sending.send(mail(text="x" * 70 + "\n" + "y" * size), 60)).accepted == (0,)
        await sending.aclose()
