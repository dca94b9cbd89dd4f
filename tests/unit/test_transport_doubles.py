"""The doubles for other packages' tests keep the contract that the real transports keep."""

import asyncio

import pytest

from tests.fakes.smtpd_client import GRANT, Grant, mail
from tests.fixtures_tls import TestCertificates
from transports.errors import Code, MessageRefused, OutcomeUnknown, RecipientRefused, Temporary, Unreachable
from transports.gmail.settings import GmailContext, GmailSettings
from transports.gmail.transport import GmailTransport
from transports.http import Http
from transports.message import Mail, Receipt
from transports.microsoft365.settings import GraphContext, Microsoft365Settings
from transports.microsoft365.transport import Microsoft365Transport
from transports.protocol import Probe, Stage
from transports.registry import TransportContext, build
from transports.settings import TransportSettings
from transports.smtp.settings import Security, SmtpContext, SmtpSettings
from transports.smtp.transport import SmtpTransport
from transports.testing import PASSED, RecordingTransport, ScriptedTransport


async def test_a_recording_transport_accepts_and_remembers() -> None:
    transport = RecordingTransport("gmail")
    sent = mail("a@example.net", "b@example.net", owed=(1,))
    assert await transport.send(sent, 1) == Receipt("gmail", (1,))
    assert transport.mails == [sent]
    assert all(stage.ok for stage in await transport.check(1))


async def test_a_double_s_check_ends_at_the_first_failure_it_was_given() -> None:
    failing = Stage("tls", False, 0.1, Code.CERTIFICATE_EXPIRED, "verify code 10")
    told: list[Stage] = []
    transport = RecordingTransport(stages=[*PASSED[:2], failing, *PASSED[3:]])
    assert tuple(await transport.check(1, probe=Probe("a@example.org"), on_stage=told.append)) == tuple(told)
    assert told == [*PASSED[:2], failing]
    scripted = ScriptedTransport([])
    assert [stage.name for stage in await scripted.check(1)] == ["address", "connect", "tls", "sign_in"]
    assert len(await scripted.check(1, probe=Probe("a@example.org"))) == 5
    assert scripted.probes == [None, Probe("a@example.org")]


async def test_it_refuses_what_no_transport_could_express() -> None:
    with pytest.raises(MessageRefused):
        await RecordingTransport().send(mail("not an address"), 1)


async def test_a_script_is_followed_step_by_step() -> None:
    refused = Receipt("smtp", (0,), ((1, RecipientRefused(Code.RECIPIENT_REFUSED)),))
    transport = ScriptedTransport([Temporary(Code.TEMPORARY_FAILURE), refused, None])
    sent = mail("a@example.net", "b@example.net")
    with pytest.raises(Temporary):
        await transport.send(sent, 1)
    assert await transport.send(sent, 1) is refused
    assert (await transport.send(sent, 1)).accepted == (0, 1)
    assert (len(transport.tried), len(transport.mails)) == (3, 2)


async def test_a_script_that_breaks_the_contract_is_a_failed_test() -> None:
    with pytest.raises(AssertionError, match="judges"):
        await ScriptedTransport([Receipt("smtp", (0,))]).send(mail("a@example.net", "b@example.net"), 1)


async def test_a_step_that_never_answers_ends_unknown_within_the_timeout() -> None:
    async def never(sent: Mail) -> Receipt:
        return await asyncio.get_running_loop().create_future()

    with pytest.raises(OutcomeUnknown):
        await ScriptedTransport([never]).send(mail(), 0.05)


async def test_closed_doubles_are_unreachable() -> None:
    transport = RecordingTransport()
    await transport.aclose()
    await transport.aclose()
    with pytest.raises(Unreachable):
        await transport.send(mail(), 1)


async def test_the_registry_builds_by_the_kind_of_settings(tls: TestCertificates) -> None:
    context = TransportContext(SmtpContext(tls.client_context(), None, "client.example.org"))
    built = build(SmtpSettings("smtp.example.com", 587, Security.STARTTLS), context)
    assert isinstance(built, SmtpTransport)
    await built.aclose()
    with pytest.raises(TypeError):
        build("settings", context)  # type: ignore[arg-type] # what the test is about


async def test_the_registry_builds_only_what_the_process_can_send_by(tls: TestCertificates) -> None:
    smtp, http, grant = (
        SmtpContext(tls.client_context(), None, "client.example.org"),
        Http(tls.client_context()),
        Grant(),
    )
    ours: tuple[tuple[TransportSettings, type], ...] = (
        (Microsoft365Settings(GRANT, "jo@example.org"), Microsoft365Transport),
        (GmailSettings(GRANT, "jo@example.org"), GmailTransport),
    )
    for settings, kind in ours:
        with pytest.raises(ValueError, match="no context"):
            build(settings, TransportContext(smtp))
        built = build(settings, TransportContext(smtp, GraphContext(http, grant), GmailContext(http, grant)))
        assert isinstance(built, kind)
        await built.aclose()


def test_settings_that_make_no_sense_are_refused_and_secrets_not_shown() -> None:
    shown = repr(SmtpSettings("smtp.example.com", 587, Security.STARTTLS, "jo", "s3cret"))
    assert "s3cret" not in shown
    with pytest.raises(ValueError, match="password"):
        SmtpSettings("smtp.example.com", 587, Security.STARTTLS, "jo")
    with pytest.raises(ValueError, match="max_connections"):
        SmtpSettings("smtp.example.com", 587, Security.STARTTLS, max_connections=0)


def test_a_local_host_name_cannot_smuggle_a_command(tls: TestCertificates) -> None:
    for name in ("", "a b", "a\r\nMAIL", "é"):
        with pytest.raises(ValueError, match="local_hostname"):
            SmtpContext(tls.client_context(), None, name)
