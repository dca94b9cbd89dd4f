"""Signing in against real servers: one attempt, the right mechanism, never in clear."""

import asyncio
import base64
from typing import Any

import pytest

from tests.fakes.smtpd import FakeSmtpd
from tests.fakes.smtpd_client import CREDENTIALS, GRANT, PASSWORD, USER, Clock, Grant, mail, transport
from tests.fakes.smtpd_raw import Peer, raw_server
from tests.fixtures_tls import Certificate, TestCertificates
from transports.errors import AccountProblem, Code, DeliveryError, Temporary
from transports.protocol import Probe
from transports.smtp.settings import Security, SmtpSettings
from transports.smtp.transport import SmtpTransport

SIGN_IN: dict[str, Any] = {"username": USER, "password": PASSWORD}


async def refusal(sending: SmtpTransport, timeout: float = 10.0) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sending.send(mail(), timeout)
    await sending.aclose()
    return caught.value


def server(certificate: Certificate, security: Security, **options: Any) -> FakeSmtpd:
    return FakeSmtpd(
        tls=certificate.server_context(),
        implicit_tls=security is Security.TLS,
        credentials=CREDENTIALS,
        **options,
    )


async def test_plain_is_preferred_and_cram_md5_never_used(tls: TestCertificates) -> None:
    with server(tls.server, Security.TLS, mechanisms=("CRAM-MD5", "LOGIN", "PLAIN")) as smtpd:
        sending = transport(smtpd.port, tls.client_context(), Security.TLS, **SIGN_IN)
        await sending.send(mail(), 10)
        await sending.aclose()
        assert smtpd.auth_attempts == ["PLAIN"]
    with server(tls.server, Security.TLS, mechanisms=("CRAM-MD5",)) as smtpd:
        error = await refusal(transport(smtpd.port, tls.client_context(), Security.TLS, **SIGN_IN))
    assert error.code is Code.SIGN_IN_MECHANISM
    assert smtpd.auth_attempts == []


async def test_a_wrong_password_is_tried_once_and_again_only_after_the_pause(tls: TestCertificates) -> None:
    clock = Clock()
    with server(tls.server, Security.STARTTLS) as smtpd:
        sending = transport(
            smtpd.port,
            tls.client_context(),
            Security.STARTTLS,
            username=USER,
            password="wrong",
            context_clock=clock,
            context_refusal_pause=900.0,
        )
        outcomes = await asyncio.gather(*(sending.send(mail(), 10) for _ in range(50)), return_exceptions=True)
        assert {getattr(outcome, "code", None) for outcome in outcomes} == {Code.SIGN_IN_REFUSED}
        assert smtpd.auth_attempts == ["PLAIN"]
        assert smtpd.connections == 1
        clock.now += 899
        with pytest.raises(AccountProblem):
            await sending.send(mail(), 10)
        assert smtpd.connections == 1
        smtpd.credentials.add((USER, "wrong"))
        clock.now += 2
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_a_password_that_no_longer_works_is_tried_once_when_all_connections_are_gone(
    tls: TestCertificates,
) -> None:
    with server(tls.server, Security.STARTTLS) as smtpd:
        sending = transport(smtpd.port, tls.client_context(), Security.STARTTLS, **SIGN_IN)
        await asyncio.gather(*(sending.send(mail(), 10) for _ in range(8)))
        before = len(smtpd.auth_attempts)
        smtpd.credentials.clear()
        smtpd.drop_connections()
        outcomes = await asyncio.gather(*(sending.send(mail(), 10) for _ in range(20)), return_exceptions=True)
        assert {getattr(outcome, "code", outcome) for outcome in outcomes} == {Code.SIGN_IN_REFUSED}
        assert len(smtpd.auth_attempts) == before + 1
        await sending.aclose()


async def test_a_sign_in_that_is_unavailable_may_pass(tls: TestCertificates) -> None:
    with server(tls.server, Security.TLS) as smtpd:
        smtpd.script.on("AUTH", "454 4.7.0 Temporary authentication failure", times=1)
        sending = transport(smtpd.port, tls.client_context(), Security.TLS, **SIGN_IN)
        with pytest.raises(Temporary) as caught:
            await sending.send(mail(), 10)
        assert caught.value.code is Code.SIGN_IN_UNAVAILABLE
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_a_token_signs_in_by_xoauth2(tls: TestCertificates) -> None:
    token = "t" * 3000
    with FakeSmtpd(
        tls=tls.server.server_context(), credentials=[(USER, token)], mechanisms=("PLAIN", "XOAUTH2")
    ) as smtpd:
        sending = transport(
            smtpd.port, tls.client_context(), Security.STARTTLS, username=USER, grant=GRANT, context_tokens=Grant(token)
        )
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()
    assert smtpd.auth_attempts == ["XOAUTH2"]
    assert smtpd.signed_in == [USER]


async def test_a_refused_token_is_renewed_once_on_a_fresh_connection(tls: TestCertificates) -> None:
    options: dict[str, Any] = {"tls": tls.server.server_context(), "mechanisms": ("XOAUTH2",)}
    with FakeSmtpd(credentials=[(USER, "new")], **options) as smtpd:
        tokens = Grant("old", "new")
        sending = transport(
            smtpd.port, tls.client_context(), Security.STARTTLS, username=USER, grant=GRANT, context_tokens=tokens
        )
        assert (await sending.send(mail(), 10)).accepted == (0,)
        assert (smtpd.auth_attempts, smtpd.connections, tokens.refreshes) == (["XOAUTH2"] * 2, 2, 1)
        await sending.aclose()
    with FakeSmtpd(credentials=[(USER, "never")], **options) as smtpd:
        tokens = Grant("old", "new")
        error = await refusal(
            transport(
                smtpd.port, tls.client_context(), Security.STARTTLS, username=USER, grant=GRANT, context_tokens=tokens
            )
        )
        assert isinstance(error, AccountProblem)
        assert (error.code, error.detail) == (Code.RECONNECTION_NEEDED, "535 5.7.8 (token 401)")
        assert (len(smtpd.auth_attempts), tokens.refreshes) == (2, 1)


async def test_what_is_no_refusal_of_the_token_renews_nothing(tls: TestCertificates) -> None:
    refusals = [
        ("535 5.7.139 SmtpClientAuthentication is disabled for the Tenant", AccountProblem, Code.ACCESS_POLICY),
        ("454 4.7.0 Temporary authentication failure", Temporary, Code.SIGN_IN_UNAVAILABLE),
        ("432 4.3.2 Concurrent connections limit exceeded", Temporary, Code.TOO_MANY_CONNECTIONS),
        ("504 5.7.4 Unrecognized authentication type", AccountProblem, Code.SIGN_IN_MECHANISM),
    ]
    for reply, kind, code in refusals:
        with FakeSmtpd(tls=tls.server.server_context(), credentials=[(USER, "t")], mechanisms=("XOAUTH2",)) as smtpd:
            smtpd.script.on("AUTH", reply)
            tokens = Grant("t", "u")
            sending = transport(
                smtpd.port,
                tls.client_context(),
                Security.STARTTLS,
                username=USER,
                grant=GRANT,
                context_tokens=tokens,
            )
            error = await refusal(sending)
        assert isinstance(error, kind)
        assert (error.code, tokens.asked, len(smtpd.auth_attempts)) == (code, 1, 1)


async def test_a_token_that_does_not_change_is_tried_once(tls: TestCertificates) -> None:
    with FakeSmtpd(tls=tls.server.server_context(), credentials=[(USER, "t")], mechanisms=("XOAUTH2",)) as smtpd:
        smtpd.script.on("AUTH", "535 5.7.3 Authentication unsuccessful")
        sending = transport(
            smtpd.port,
            tls.client_context(),
            Security.STARTTLS,
            username=USER,
            grant=GRANT,
            context_tokens=Grant("t"),
        )
        errors = await asyncio.gather(*(sending.send(mail(), 10) for _ in range(20)), return_exceptions=True)
        errors.append(await refusal(sending))
    assert {(getattr(error, "code", error), getattr(error, "detail", "")) for error in errors} == {
        (Code.RECONNECTION_NEEDED, "535 5.7.3")
    }
    assert len(smtpd.auth_attempts) == 1


async def test_smtp_that_is_not_allowed_after_the_sign_in_is_told_without_a_password(tls: TestCertificates) -> None:
    with FakeSmtpd(tls=tls.server.server_context(), credentials=[(USER, "t")], mechanisms=("XOAUTH2",)) as smtpd:
        smtpd.script.on("MAIL", "530 5.7.57 Client not authenticated to send mail")
        options: dict[str, Any] = {"username": USER, "grant": GRANT, "context_tokens": Grant("t")}
        sending = transport(smtpd.port, tls.client_context(), Security.STARTTLS, **options)
        stage = (await sending.check(10, probe=Probe("sender@example.org")))[-1]
        assert (stage.name, stage.code, stage.detail) == ("sender", Code.ACCESS_POLICY, "530 5.7.57")
        error = await refusal(sending)
    assert (type(error), error.code, error.detail) == (AccountProblem, Code.ACCESS_POLICY, "530 5.7.57")


@pytest.mark.parametrize("size", [9_100, 9_180, 9_220, 20_000])
async def test_a_token_too_long_for_a_command_follows_the_challenge(tls: TestCertificates, size: int) -> None:
    async def google(peer: Peer) -> None:
        await peer.greet("AUTH XOAUTH2")
        line = await peer.hear("AUTH XOAUTH2")
        assert len(line) <= 12_288
        response = line[len("AUTH XOAUTH2 ") :].strip()
        if not response:
            await peer.say("334 ")
            response = (await peer.hear()).strip()
        assert base64.b64decode(response, validate=True).endswith(b"t" * 100 + b"\1\1")
        lines.append(len(line))
        await peer.say("235 2.7.0 Accepted")
        await peer.accept()

    lines: list[int] = []
    async with raw_server(google, tls=tls.server.server_context()) as raw:
        options: dict[str, Any] = {"username": USER, "grant": GRANT, "context_tokens": Grant("t" * size)}
        sending = transport(raw.port, tls.client_context(), Security.TLS, **options)
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()
    assert (lines[0] == len("AUTH XOAUTH2\r\n")) == (size > 9_160)


async def test_a_long_token_that_is_refused_is_told_as_one(tls: TestCertificates) -> None:
    async def google(peer: Peer) -> None:
        await peer.greet("AUTH XOAUTH2")
        await peer.hear("AUTH XOAUTH2")
        await peer.say("334 ")
        await peer.hear()
        await peer.say("334 " + base64.b64encode(b'{"status":"400","schemes":"Bearer"}').decode())
        assert (await peer.hear()).strip() == b""
        await peer.say("535 5.7.8 Username and Password not accepted")

    async with raw_server(google, tls=tls.server.server_context()) as raw:
        options: dict[str, Any] = {"username": USER, "grant": GRANT, "context_tokens": Grant("t" * 20_000)}
        error = await refusal(transport(raw.port, tls.client_context(), Security.TLS, **options))
    assert (error.code, error.detail) == (Code.RECONNECTION_NEEDED, "535 5.7.8 (token 400)")


def test_settings_with_a_grant_need_tokens(tls: TestCertificates) -> None:
    with pytest.raises(ValueError, match="tokens"):
        transport(25, tls.client_context(), Security.TLS, username=USER, grant=GRANT)
    with pytest.raises(ValueError, match="password or a grant"):
        SmtpSettings("smtp.example", 465, Security.TLS, USER, "password", GRANT)
    one, other = (SmtpSettings("smtp.example", 465, Security.TLS, USER, grant=grant) for grant in ("g1", "g2"))
    assert one != other


async def test_a_token_source_in_trouble_speaks_for_itself(tls: TestCertificates) -> None:
    def consent() -> None:
        raise AccountProblem(Code.SIGN_IN_REQUIRED, transport="smtp")

    with FakeSmtpd(tls=tls.server.server_context(), credentials=CREDENTIALS) as smtpd:
        error = await refusal(
            transport(
                smtpd.port,
                tls.client_context(),
                Security.STARTTLS,
                username=USER,
                grant=GRANT,
                context_tokens=Grant("x", before=consent),
            )
        )
    assert error.code is Code.SIGN_IN_REQUIRED
    assert smtpd.connections == 0


async def test_without_tls_credentials_go_only_when_that_was_set_explicitly(tls: TestCertificates) -> None:
    with pytest.raises(ValueError, match="plaintext_sign_in"):
        SmtpSettings("relay", 25, Security.NONE, **SIGN_IN)
    with FakeSmtpd(credentials=CREDENTIALS, auth_without_tls=True) as smtpd:
        sending = transport(smtpd.port, tls.client_context(), Security.NONE, plaintext_sign_in=True, **SIGN_IN)
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_the_password_never_crosses_the_wire_in_clear(tls: TestCertificates) -> None:
    seen = bytearray()

    async def relay(peer: Peer) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", smtpd.port)

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                seen.extend(data)
                target.write(data)
            target.close()

        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))

    with server(tls.server, Security.STARTTLS) as smtpd:
        async with raw_server(relay) as raw:
            sending = transport(raw.port, tls.client_context(), Security.STARTTLS, **SIGN_IN)
            assert (await sending.send(mail(), 10)).accepted == (0,)
            await sending.aclose()
    secret = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
    assert b"STARTTLS" in seen
    assert secret not in seen
    assert b"AUTH PLAIN" not in seen
