"""The SMTP transport against a real Postfix: TLS both ways, both sign-ins, and every kind of refusal."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from deploy.local.postfix import PrivatePostfix
from tests.fakes.smtpd_client import context, mail, transport
from tests.fakes.smtpd_raw import Peer, raw_server
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually
from transports.errors import (
    AccountProblem,
    Code,
    DeliveryError,
    MessageRefused,
    OutcomeUnknown,
    RecipientDeferred,
    RecipientRefused,
    Unreachable,
)
from transports.protocol import Probe
from transports.smtp.auth import choose_mechanism, sign_in
from transports.smtp.opening import open_connection
from transports.smtp.settings import Security, SmtpSettings
from transports.smtp.transport import SmtpTransport

BOTH = pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])


def client(postfix: PrivatePostfix, tls: TestCertificates, security: Security, **changes: Any) -> SmtpTransport:
    port = postfix.submission_port if security is Security.STARTTLS else postfix.smtps_port
    options: dict[str, Any] = {
        "username": postfix.username,
        "password": postfix.password,
        "host": postfix.host,
    }
    port = changes.pop("port", port)
    return transport(port, tls.client_context(), security, **(options | changes))


async def refusal(sending: SmtpTransport, *recipients: str, timeout: float = 20.0, **fields: Any) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sending.send(mail(*recipients, **fields), timeout)
    await sending.aclose()
    return caught.value


@BOTH
async def test_postfix_delivers_what_was_handed_off(
    postfix: PrivatePostfix, tls: TestCertificates, security: Security
) -> None:
    sending = client(postfix, tls, security)
    text = "Grüße\n.\n..\nend\n"
    receipts = await asyncio.gather(*(sending.send(mail("jo@example.net", text=text), 20) for _ in range(6)))
    assert all(receipt.accepted == (0,) for receipt in receipts)
    stages = await sending.check(20, probe=Probe("sender@example.org", "jo@example.net"))
    assert [stage.name for stage in stages] == ["address", "connect", "tls", "sign_in", "sender"]
    assert all(stage.ok for stage in stages)
    await sending.aclose()
    await eventually(lambda: len(postfix.received()) == 6, 20)
    received = postfix.received()
    assert all(one.get_content() == text for one in received)
    assert all(one["Message-ID"] == "<0123456789@example.org>" for one in received)


@BOTH
@pytest.mark.parametrize("mechanism", ["plain", "login"])
async def test_postfix_takes_both_sign_ins(
    postfix: PrivatePostfix, tls: TestCertificates, security: Security, mechanism: str
) -> None:
    """Our choice is steered by what is offered, so the other mechanism is struck from the offer here."""
    port = postfix.submission_port if security is Security.STARTTLS else postfix.smtps_port
    anonymous = SmtpSettings(postfix.host, port, security)
    deadline = asyncio.get_running_loop().time() + 20
    connection = await open_connection(anonymous, context(tls.client_context()), deadline)
    assert {"plain", "login"} <= connection.mechanisms
    connection.mechanisms = frozenset({mechanism})
    known = SmtpSettings(postfix.host, port, security, postfix.username, postfix.password)
    assert choose_mechanism(known, connection.mechanisms) == mechanism
    await sign_in(connection, known, postfix.password, deadline)
    await connection.quit()


@BOTH
async def test_postfix_refuses_a_wrong_password_once(
    postfix: PrivatePostfix, tls: TestCertificates, security: Security
) -> None:
    sending = client(postfix, tls, security, password="wrong")
    outcomes = await asyncio.gather(*(sending.send(mail(), 20) for _ in range(20)), return_exceptions=True)
    assert {getattr(outcome, "code", outcome) for outcome in outcomes} == {Code.SIGN_IN_REFUSED}
    assert all(isinstance(outcome, AccountProblem) for outcome in outcomes)
    await sending.aclose()


async def test_postfix_takes_nobody_without_a_sign_in(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    """Its "access denied" is also what a forbidden recipient gets, so it does not speak for the account."""
    sending = client(postfix, tls, Security.STARTTLS, username=None, password=None)
    receipt = await sending.send(mail("a@far.example", "b@far.example"), 20)
    await sending.aclose()
    assert receipt.accepted == ()
    assert [error.detail for _, error in receipt.refused] == ["554 5.7.1"] * 2
    assert all(isinstance(error, RecipientRefused) for _, error in receipt.refused)


async def test_postfix_s_verdicts_on_recipients(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    postfix.policy.script("gone@example.net", ["550 5.1.1 No such user"])
    postfix.policy.script("busy@example.net", ["450 4.3.0 Busy"])
    sending = client(postfix, tls, Security.STARTTLS)
    receipt = await sending.send(mail("gone@example.net", "jo@example.net", "busy@example.net"), 20)
    await sending.aclose()
    assert receipt.accepted == (1,)
    refused = dict(receipt.refused)
    assert isinstance(refused[0], RecipientRefused)
    assert isinstance(refused[2], RecipientDeferred)
    assert (refused[0].detail, refused[2].detail) == ("550 5.1.1", "450 4.3.0")


async def test_postfix_greylists_and_takes_it_the_second_time(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    postfix.policy.script("jo@example.net", ["450 4.2.0 Greylisted, see you in 300 seconds", "DUNNO"])
    sending = client(postfix, tls, Security.STARTTLS)
    first = await sending.send(mail(), 20)
    second = await sending.send(mail(), 20)
    await sending.aclose()
    assert [(position, error.code) for position, error in first.refused] == [(0, Code.RECIPIENT_GREYLISTED)]
    assert second.accepted == (0,)


async def test_postfix_hangs_up_with_421(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    postfix.policy.script("jo@example.net", ["421 4.3.2 Going down", "DUNNO"])
    sending = client(postfix, tls, Security.STARTTLS)
    with pytest.raises(Unreachable) as caught:
        await sending.send(mail(), 20)
    assert caught.value.code is Code.ENDPOINT_UNAVAILABLE
    assert (await sending.send(mail(), 20)).accepted == (0,)
    await sending.aclose()


async def test_a_mail_over_postfix_s_limit_is_refused_before_upload(
    postfix: PrivatePostfix, tls: TestCertificates
) -> None:
    error = await refusal(client(postfix, tls, Security.STARTTLS), text="x" * 60 + "\n" + "y" * 2_100_000)
    assert isinstance(error, MessageRefused)
    assert error.code is Code.MESSAGE_TOO_LARGE
    assert "of at most 2000000" in error.detail


async def test_a_certificate_for_another_name_is_refused(postfix: PrivatePostfix, tls: TestCertificates) -> None:
    async def loopback(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    error = await refusal(
        client(postfix, tls, Security.TLS, host="mail.example.com", context_resolver=loopback), timeout=20
    )
    assert error.code is Code.CERTIFICATE_NAME_MISMATCH


@BOTH
async def test_a_disconnect_after_the_final_dot_is_unknown_and_the_mail_is_there(
    postfix: PrivatePostfix, tls: TestCertificates, security: Security
) -> None:
    target = postfix.submission_port if security is Security.STARTTLS else postfix.smtps_port

    async def swallowing(peer: Peer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target)
        passed = 0

        async def there() -> None:
            nonlocal passed
            while data := await peer.reader.read(65536):
                passed += len(data)
                writer.write(data)
                await writer.drain()

        async def back() -> None:
            while data := await reader.read(65536):
                if passed > 100_000:
                    # The mail has passed; what comes back now is the final reply.
                    await eventually(postfix.received_bytes, 20)
                    return
                await peer.raw(data)

        pumping = asyncio.create_task(there())
        await back()
        peer.cut()
        with suppress(ConnectionError):
            await pumping
        writer.close()

    async with raw_server(swallowing) as wire:
        error = await refusal(client(postfix, tls, security, port=wire.port), text="x" * 60 + "\n" + "y" * 150_000)
    assert isinstance(error, OutcomeUnknown)
    assert len(postfix.received()) == 1
