"""TLS and sign-in against real servers: what is refused, with which reason, and what never reaches the wire."""

import ipaddress
import socket
from typing import Any

import pytest

from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import CREDENTIALS, PASSWORD, USER, mail, transport
from tests.fakes.smtpd_raw import Peer, raw_server
from tests.fixtures_tls import Certificate, TestCertificates
from transports.errors import AccountProblem, Code, DeliveryError, NameServerSilent, Unreachable
from transports.smtp.guard import Guard
from transports.smtp.settings import Security, SmtpContext
from transports.smtp.transport import SmtpTransport

BOTH = pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
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


@BOTH
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_mail_goes_signed_in_and_encrypted(tls: TestCertificates, security: Security, mechanism: str) -> None:
    with server(tls.server, security, mechanisms=(mechanism, "CRAM-MD5")) as smtpd:
        sending = transport(smtpd.port, tls.client_context(), security, **SIGN_IN)
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()
    (received,) = smtpd.mails
    assert received.signed_in
    assert received.secure
    assert smtpd.auth_attempts == [mechanism]
    assert set(smtpd.names) == {"client.example.org"}


@BOTH
@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("expired", Code.CERTIFICATE_EXPIRED),
        ("wrong_name", Code.CERTIFICATE_NAME_MISMATCH),
        ("self_signed", Code.CERTIFICATE_SELF_SIGNED),
        ("unknown_ca", Code.CERTIFICATE_INVALID),
    ],
)
async def test_a_wrong_certificate_is_refused_with_its_reason_before_any_sign_in(
    tls: TestCertificates, security: Security, which: str, code: Code
) -> None:
    with server(getattr(tls, which), security) as smtpd:
        error = await refusal(transport(smtpd.port, tls.client_context(), security, **SIGN_IN))
    assert isinstance(error, AccountProblem)
    assert error.code is code
    assert smtpd.auth_attempts == []
    assert smtpd.mails == []


async def test_a_server_without_starttls_gets_no_credentials(tls: TestCertificates) -> None:
    with FakeSmtpd(credentials=CREDENTIALS, auth_without_tls=True) as smtpd:
        error = await refusal(transport(smtpd.port, tls.client_context(), Security.STARTTLS, **SIGN_IN))
    assert isinstance(error, AccountProblem)
    assert error.code is Code.TLS_NOT_OFFERED
    assert smtpd.auth_attempts == []
    assert not [command for command in smtpd.commands if not command.startswith("EHLO")]


async def test_an_endpoint_in_plain_text_on_a_tls_port_is_a_setting_to_correct(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        error = await refusal(transport(smtpd.port, tls.client_context(), Security.TLS))
    assert isinstance(error, AccountProblem)
    assert error.code is Code.TLS_FAILED


async def test_an_implicit_tls_port_asked_for_starttls_is_unreachable_in_time(tls: TestCertificates) -> None:
    with server(tls.server, Security.TLS) as smtpd:
        error = await refusal(
            transport(smtpd.port, tls.client_context(), Security.STARTTLS, context_command_timeout=0.3)
        )
    assert isinstance(error, Unreachable)
    assert error.code is Code.REPLY_TIMEOUT


@pytest.mark.parametrize("action", [Wire.CUT, Wire.HANG])
async def test_a_handshake_that_is_cut_or_hangs_is_unreachable(tls: TestCertificates, action: Wire) -> None:
    with server(tls.server, Security.STARTTLS) as smtpd:
        smtpd.script.on("TLS", action)
        error = await refusal(
            transport(smtpd.port, tls.client_context(), Security.STARTTLS, context_command_timeout=0.3)
        )
    assert isinstance(error, Unreachable)
    assert error.code is Code.TLS_FAILED


async def test_a_server_that_knows_only_old_tls_is_a_setting_to_correct(tls: TestCertificates) -> None:
    async def old(peer: Peer) -> None:
        await peer.reader.read(1)
        # A fatal alert "protocol version" (RFC 8446 §6.2).
        await peer.raw(bytes([21, 3, 1, 0, 2, 2, 70]))
        await peer.hang()

    async with raw_server(old) as raw:
        error = await refusal(transport(raw.port, tls.client_context(), Security.TLS))
    assert isinstance(error, AccountProblem)
    assert error.code is Code.TLS_FAILED


async def test_replies_injected_before_tls_are_not_believed(tls: TestCertificates) -> None:
    async def injecting(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.hear("STARTTLS")
        await peer.say("220 Go", "250-evil.example", "250 AUTH PLAIN")
        await peer.writer.start_tls(tls.server.server_context())
        await peer.hear("EHLO")
        await peer.say("250 raw.example")
        await peer.hang()

    async with raw_server(injecting) as raw:
        error = await refusal(transport(raw.port, tls.client_context(), Security.STARTTLS, **SIGN_IN))
        assert error.code is Code.SIGN_IN_MECHANISM
        assert not any(line.startswith(b"AUTH") for line in raw.peers[0].heard)


def test_a_context_that_does_not_verify_is_not_accepted(tls: TestCertificates) -> None:
    lax = tls.client_context()
    lax.check_hostname = False
    with pytest.raises(ValueError, match="verify"):
        SmtpContext(lax, None, "client.example.org")


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("localhost", Code.ADDRESS_FORBIDDEN),
        ("127.0.0.1", Code.ADDRESS_FORBIDDEN),
        ("[::1]", Code.ADDRESS_FORBIDDEN),
        ("2130706433", Code.ADDRESS_FORBIDDEN),
        ("169.254.169.254", Code.ADDRESS_FORBIDDEN),
    ],
)
async def test_a_tenant_s_host_cannot_lead_into_our_network(tls: TestCertificates, host: str, code: Code) -> None:
    with FakeSmtpd() as smtpd:
        guarded = transport(smtpd.port, tls.client_context(), host=host, context_guard=Guard(ports=(smtpd.port,)))
        error = await refusal(guarded)
    assert isinstance(error, AccountProblem)
    assert error.code is code
    assert smtpd.connections == 0


async def test_the_host_is_resolved_once_and_the_judged_address_is_the_one_connected_to(
    tls: TestCertificates,
) -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    guard = Guard(allow_networks=(ipaddress.ip_network("127.0.0.0/8"),))
    with server(tls.server, Security.STARTTLS) as smtpd:
        sending = transport(
            smtpd.port,
            tls.client_context(),
            Security.STARTTLS,
            **SIGN_IN,
            context_guard=guard,
            context_resolver=rebinding,
        )
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()
    assert asked == ["localhost"]


async def test_one_dead_address_does_not_fail_the_send(tls: TestCertificates) -> None:
    async def two(host: str, port: int) -> list[str]:
        return ["::1", "127.0.0.1"]

    with FakeSmtpd() as smtpd:
        sending = transport(smtpd.port, tls.client_context(), context_resolver=two)
        assert (await sending.send(mail(), 10)).accepted == (0,)
        await sending.aclose()


async def test_a_name_that_does_not_resolve_is_unreachable(tls: TestCertificates) -> None:
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = await refusal(transport(25, tls.client_context(), context_resolver=unknown))
    assert isinstance(error, Unreachable)
    assert error.code is Code.NAME_NOT_FOUND


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Unreachable),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), NameServerSilent),
        (socket.gaierror(socket.EAI_FAIL, "Non-recoverable failure in name resolution"), NameServerSilent),
        (TimeoutError(), NameServerSilent),
    ],
    ids=repr,
)
async def test_a_name_that_does_not_exist_is_told_from_a_name_server_that_is_silent(
    tls: TestCertificates, failure: Exception, kind: type[Exception]
) -> None:
    async def resolver(host: str, port: int) -> list[str]:
        raise failure

    error = await refusal(transport(25, tls.client_context(), context_resolver=resolver))
    assert (type(error), error.code, error.detail) == (kind, Code.NAME_NOT_FOUND, "")
