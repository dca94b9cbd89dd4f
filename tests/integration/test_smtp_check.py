"""A check against real servers: which stage a failure is shown at, what is learnt, and that no mail is sent."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.fakes.smtpd import FakeSmtpd, Wire
from tests.fakes.smtpd_client import CREDENTIALS, GRANT, PASSWORD, USER, Grant, mail, transport
from tests.fakes.smtpd_raw import Peer, Talk, raw_server
from tests.fixtures_tls import Certificate, TestCertificates
from transports.errors import AccountProblem, Code, DeliveryError
from transports.protocol import Probe, Stage
from transports.smtp.settings import Security

SIGN_IN: dict[str, Any] = {"username": USER, "password": PASSWORD}
PROBE = Probe("sender@example.org", "jo@example.net")


def server(certificate: Certificate, security: Security, **options: Any) -> FakeSmtpd:
    return FakeSmtpd(
        tls=certificate.server_context(),
        implicit_tls=security is Security.TLS,
        credentials=CREDENTIALS,
        **options,
    )


async def check(
    port: int, tls: TestCertificates, security: Security, probe: Probe | None = PROBE, **changes: Any
) -> Sequence[Stage]:
    checking = transport(port, tls.client_context(), security, **changes)
    stages = await checking.check(10, probe=probe)
    await checking.aclose()
    return stages


def end(stages: Sequence[Stage]) -> tuple[str, bool, Code | None, str]:
    assert all(stage.ok and stage.code is None and not stage.detail for stage in stages[:-1])
    last = stages[-1]
    return last.name, last.ok, last.code, last.detail


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_the_verified_certificate_and_the_mechanism_are_told(tls: TestCertificates, security: Security) -> None:
    with server(tls.server, security) as smtpd:
        stages = await check(smtpd.port, tls, security, **SIGN_IN)
    assert end(stages) == ("sender", True, None, "")
    facts = {stage.name: dict(stage.facts) for stage in stages}
    assert facts["tls"]["protocol"] == "TLSv1.3"
    assert facts["tls"]["issuer"].startswith("trustme")
    assert facts["tls"]["subject"] == "localhost"
    expires = datetime.fromisoformat(facts["tls"]["expires"]).replace(tzinfo=UTC)
    assert expires > datetime.now(UTC) + timedelta(days=1)
    assert facts["sign_in"] == {"mechanism": "PLAIN"}
    assert facts["address"] == facts["connect"] == facts["sender"] == {}


async def test_the_envelope_is_offered_and_taken_back_and_no_mail_is_sent(tls: TestCertificates) -> None:
    with server(tls.server, Security.STARTTLS) as smtpd:
        await check(smtpd.port, tls, Security.STARTTLS, **SIGN_IN)
        verbs = [command.partition(" ")[0] for command in smtpd.commands]
        assert verbs[-4:] == ["MAIL", "RCPT", "RSET", "QUIT"]
        await check(smtpd.port, tls, Security.STARTTLS, Probe("sender@example.org"), **SIGN_IN)
        assert [command.partition(" ")[0] for command in smtpd.commands][-3:] == ["MAIL", "RSET", "QUIT"]
        await check(smtpd.port, tls, Security.STARTTLS, None, **SIGN_IN)
        assert [command.partition(" ")[0] for command in smtpd.commands][-2:] == ["AUTH", "QUIT"]
    assert not smtpd.mails


REFUSALS = [
    ("MAIL", "553 5.7.1 <canary@example.org> not owned by you", Code.SENDER_REFUSED, "553 5.7.1"),
    ("MAIL", "530 5.7.57 Client not authenticated", Code.SIGN_IN_REQUIRED, "530 5.7.57"),
    ("MAIL", "451 4.3.0 busy", Code.TEMPORARY_FAILURE, "451 4.3.0"),
    ("RCPT", "553 5.7.1 <s@x>: Sender address rejected: not owned by user", Code.SENDER_REFUSED, "553 5.7.1"),
    ("RCPT", "554 5.7.1 <r@x>: Relay access denied", Code.RELAYING_DENIED, "554 5.7.1"),
    ("RCPT", "550 5.7.1 no", Code.RECIPIENT_REFUSED, "550 5.7.1"),
    ("RCPT", "550 5.1.1 unknown", Code.RECIPIENT_REFUSED, "550 5.1.1"),
    ("RCPT", "554 5.7.1 blocked using zen.spamhaus.org", Code.TEMPORARY_FAILURE, "554 5.7.1"),
    ("RCPT", "421 4.3.2 closing", Code.ENDPOINT_UNAVAILABLE, "421 4.3.2"),
]


@pytest.mark.parametrize(("verb", "reply", "code", "detail"), REFUSALS)
async def test_a_refused_envelope_means_what_it_means_for_a_mail(
    tls: TestCertificates, verb: str, reply: str, code: Code, detail: str
) -> None:
    with server(tls.server, Security.TLS) as smtpd:
        smtpd.script.on(verb, reply)
        assert end(await check(smtpd.port, tls, Security.TLS, **SIGN_IN)) == ("sender", False, code, detail)
        sending = transport(smtpd.port, tls.client_context(), Security.TLS, **SIGN_IN)
        try:
            ((_, error),) = (await sending.send(mail(), 10)).refused
        except DeliveryError as raised:
            error = raised
        await sending.aclose()
    assert (error.code, error.detail) == (code, detail)
    assert not smtpd.mails


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        ("450 4.7.1 Greylisted", Code.RECIPIENT_GREYLISTED),
        ("451 4.7.1 try later", Code.RECIPIENT_GREYLISTED),
        ("450 4.2.1 too quickly", Code.RECIPIENT_DEFERRED),
        ("452 4.2.2 over quota", Code.RECIPIENT_MAILBOX_FULL),
        ("452 4.5.3 too many", Code.TOO_MANY_RECIPIENTS),
    ],
)
async def test_a_recipient_who_is_put_off_is_no_failed_sender(tls: TestCertificates, reply: str, code: Code) -> None:
    with server(tls.server, Security.TLS) as smtpd:
        smtpd.script.on("RCPT", reply)
        stages = await check(smtpd.port, tls, Security.TLS, **SIGN_IN)
        assert [command.partition(" ")[0] for command in smtpd.commands][-2:] == ["RSET", "QUIT"]
    assert end(stages) == ("sender", True, None, "")
    assert stages[-1].facts == (("recipient", str(code)),)


@pytest.mark.parametrize(
    ("verb", "action", "stage", "code", "detail"),
    [
        ("MAIL", Wire.CUT, "sender", Code.CONNECTION_LOST, "at mail"),
        ("RCPT", Wire.HANG, "sender", Code.REPLY_TIMEOUT, "at rcpt"),
        ("AUTH", Wire.CUT, "sign_in", Code.CONNECTION_LOST, "at auth"),
        ("AUTH", "535 5.7.8 no", "sign_in", Code.SIGN_IN_REFUSED, "535 5.7.8"),
        ("TLS", Wire.CUT, "tls", Code.TLS_FAILED, "at tls"),
        ("STARTTLS", "454 4.7.0 not now", "tls", Code.TLS_UNAVAILABLE, "454 4.7.0"),
        ("EHLO", "554 5.7.1 no", "connect", Code.ENDPOINT_UNAVAILABLE, "554 5.7.1"),
        ("GREETING", "554 5.7.1 no", "connect", Code.ENDPOINT_UNAVAILABLE, "554 5.7.1"),
        ("GREETING", Wire.HANG, "connect", Code.REPLY_TIMEOUT, "no greeting"),
        ("GREETING", Wire.CUT, "connect", Code.CONNECTION_LOST, "closed without a greeting"),
    ],
)
async def test_a_failure_is_shown_at_its_stage(
    tls: TestCertificates, verb: str, action: str | Wire, stage: str, code: Code, detail: str
) -> None:
    with server(tls.server, Security.STARTTLS) as smtpd:
        smtpd.script.on(verb, action)
        stages = await check(smtpd.port, tls, Security.STARTTLS, **SIGN_IN, context_command_timeout=0.3)
    assert end(stages) == (stage, False, code, detail)


@pytest.mark.parametrize(
    ("which", "code"),
    [
        ("expired", Code.CERTIFICATE_EXPIRED),
        ("wrong_name", Code.CERTIFICATE_NAME_MISMATCH),
        ("self_signed", Code.CERTIFICATE_SELF_SIGNED),
        ("unknown_ca", Code.CERTIFICATE_INVALID),
    ],
)
@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_certificate_that_is_refused_is_shown_at_tls_and_nothing_of_it_is_told(
    tls: TestCertificates, security: Security, which: str, code: Code
) -> None:
    with server(getattr(tls, which), security) as smtpd:
        stages = await check(smtpd.port, tls, security, **SIGN_IN)
    assert end(stages)[:3] == ("tls", False, code)
    assert stages[-1].facts == ()
    assert smtpd.auth_attempts == []


@pytest.fixture
def rootful(tls: TestCertificates, tmp_path: Path) -> Certificate:
    """A certificate shown together with the authority that signed it, which no client trusts."""
    authority = trustme.CA()
    leaf = authority.issue_cert("localhost")
    shown = Certificate(tmp_path / "chain.pem", tmp_path / "key.pem")
    shown.certificate.write_bytes(leaf.cert_chain_pems[0].bytes() + authority.cert_pem.bytes())
    shown.key.write_bytes(leaf.private_key_pem.bytes())
    return shown


async def test_an_authority_nobody_trusts_shown_with_the_chain_counts_as_self_signed(
    tls: TestCertificates, rootful: Certificate
) -> None:
    with server(rootful, Security.TLS) as smtpd:
        stages = await check(smtpd.port, tls, Security.TLS)
    assert end(stages) == ("tls", False, Code.CERTIFICATE_SELF_SIGNED, "verify code 19")


async def test_tls_spoken_to_a_starttls_port_is_told_as_such(tls: TestCertificates) -> None:
    with server(tls.server, Security.STARTTLS) as smtpd:
        stages = await check(smtpd.port, tls, Security.TLS, **SIGN_IN)
    assert end(stages) == ("tls", False, Code.TLS_FAILED, "plain text instead of TLS")


async def test_starttls_spoken_to_an_implicit_tls_port_is_told_as_such(tls: TestCertificates) -> None:
    with server(tls.server, Security.TLS) as smtpd:
        stages = await check(smtpd.port, tls, Security.STARTTLS, **SIGN_IN, context_command_timeout=0.3)
    assert end(stages) == ("connect", False, Code.REPLY_TIMEOUT, "no greeting")


async def test_a_port_without_starttls_is_told_at_tls(tls: TestCertificates) -> None:
    with FakeSmtpd() as smtpd:
        stages = await check(smtpd.port, tls, Security.STARTTLS)
    assert end(stages) == ("tls", False, Code.TLS_NOT_OFFERED, "")


ALERT = b"\x15\x03\x01\x00\x02\x02\x28"
HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
IMAP = b"* OK IMAP4rev1 ready\r\n"
PLAIN = Code.TLS_FAILED, "plain text instead of TLS"


@pytest.mark.parametrize(
    ("said", "security", "encrypted", "told"),
    [
        (ALERT, Security.STARTTLS, False, ("connect", Code.CONNECTION_LOST, "TLS instead of a greeting")),
        (HTTP, Security.STARTTLS, False, ("connect", Code.PROTOCOL_ERROR, "HTTP instead of a greeting")),
        (IMAP, Security.STARTTLS, False, ("connect", Code.PROTOCOL_ERROR, "no mail server's greeting")),
        (b"", Security.STARTTLS, False, ("connect", Code.CONNECTION_LOST, "closed without a greeting")),
        (HTTP, Security.TLS, False, ("tls", *PLAIN)),
        (IMAP, Security.TLS, False, ("tls", *PLAIN)),
        (HTTP, Security.TLS, True, ("tls", Code.PROTOCOL_ERROR, "HTTP instead of a greeting")),
        (IMAP, Security.TLS, True, ("tls", Code.PROTOCOL_ERROR, "no mail server's greeting")),
        (b"554 5.7.1 no\r\n", Security.TLS, True, ("tls", Code.ENDPOINT_UNAVAILABLE, "554 5.7.1")),
    ],
)
async def test_a_port_where_no_mail_server_listens_is_told_by_what_does(
    tls: TestCertificates, said: bytes, security: Security, encrypted: bool, told: tuple[str, Code, str]
) -> None:
    async def other(peer: Peer) -> None:
        await peer.raw(said)
        if security is Security.TLS and not encrypted:
            await peer.hang()

    async with raw_server(other, tls=tls.server.server_context() if encrypted else None) as raw:
        stages = await check(raw.port, tls, security, **SIGN_IN)
    name, ok, code, detail = end(stages)
    assert (name, code, detail) == told
    assert not ok
    assert bool(stages[-1].facts) == encrypted, "what was learnt of the certificate is shown although it failed later"


async def test_a_server_with_no_sign_in_of_ours_fails_at_the_sign_in(tls: TestCertificates) -> None:
    with server(tls.server, Security.TLS, mechanisms=("CRAM-MD5",)) as smtpd:
        stages = await check(smtpd.port, tls, Security.TLS, **SIGN_IN)
    assert end(stages) == ("sign_in", False, Code.SIGN_IN_MECHANISM, "none in common")


async def test_a_token_that_cannot_be_had_fails_at_the_sign_in(tls: TestCertificates) -> None:
    def consent() -> None:
        raise AccountProblem(Code.SIGN_IN_REQUIRED, transport="smtp")

    tokens = Grant("x", before=consent)
    stages = await check(1, tls, Security.STARTTLS, username=USER, grant=GRANT, context_tokens=tokens)
    assert end(stages) == ("sign_in", False, Code.SIGN_IN_REQUIRED, "")


async def test_a_renewed_token_does_not_repeat_stages(tls: TestCertificates) -> None:
    with FakeSmtpd(tls=tls.server.server_context(), credentials=[(USER, "new")], mechanisms=("XOAUTH2",)) as smtpd:
        tokens = Grant("old", "new")
        stages = await check(smtpd.port, tls, Security.STARTTLS, username=USER, grant=GRANT, context_tokens=tokens)
    assert [stage.name for stage in stages] == ["address", "connect", "tls", "sign_in", "sender"]
    assert end(stages)[1]
    assert dict(stages[3].facts) == {"mechanism": "XOAUTH2"}
    assert "protocol" in dict(stages[2].facts)


@pytest.mark.parametrize(
    "probe", [Probe("jö@example.org", "jo@example.net"), Probe("jo@example.org", "jö@example.net")]
)
async def test_an_address_outside_ascii_is_offered_only_where_that_is_understood(
    tls: TestCertificates, probe: Probe
) -> None:
    with server(tls.server, Security.TLS) as smtpd:
        assert end(await check(smtpd.port, tls, Security.TLS, probe, **SIGN_IN))[1]
        assert any(command.startswith("MAIL") and command.endswith("SMTPUTF8") for command in smtpd.commands)
    with server(tls.server, Security.TLS, smtputf8=False) as smtpd:
        stages = await check(smtpd.port, tls, Security.TLS, probe, **SIGN_IN)
    assert end(stages)[:3] == ("sender", False, Code.SMTPUTF8_UNSUPPORTED)


@pytest.mark.parametrize("field", ["sender", "recipient"])
async def test_what_is_no_address_never_reaches_the_server(tls: TestCertificates, field: str) -> None:
    with server(tls.server, Security.TLS) as smtpd:
        stages = await check(smtpd.port, tls, Security.TLS, replace(PROBE, **{field: "a@b>\r\nRSET"}), **SIGN_IN)
    assert end(stages)[:2] == ("sender", False)
    assert not any(command.startswith(("MAIL", "RCPT")) for command in smtpd.commands)


async def test_each_stage_is_told_before_the_next_one_begins(tls: TestCertificates) -> None:
    reached: dict[str, list[str]] = {}
    with server(tls.server, Security.STARTTLS) as smtpd:

        def note(stage: Stage) -> None:
            reached[stage.name] = [command.partition(" ")[0] for command in smtpd.commands]

        checking = transport(smtpd.port, tls.client_context(), Security.STARTTLS, **SIGN_IN)
        await checking.check(10, probe=PROBE, on_stage=note)
        await checking.aclose()
    assert reached["address"] == []
    assert reached["connect"] == ["EHLO"]
    assert reached["tls"] == ["EHLO", "STARTTLS", "EHLO"]
    assert reached["sign_in"][3:] == ["AUTH"]
    assert reached["sender"][4:] == ["MAIL", "RCPT"]


async def test_a_cancelled_check_leaves_no_connection(tls: TestCertificates) -> None:
    talking = asyncio.Event()

    async def silent(peer: Peer) -> None:
        await peer.greet()
        await peer.hear("MAIL")
        talking.set()
        assert await peer.reader.read() == b""

    talk: Talk = silent
    async with raw_server(talk) as raw:
        checking = transport(raw.port, tls.client_context())
        task = asyncio.create_task(checking.check(30, probe=PROBE))
        await talking.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await checking.aclose()
        await asyncio.wait_for(asyncio.gather(*(each for each in raw.tasks if each)), 5)
