"""The stand-ins' SMTP servers, driven by aiosmtplib: which tokens open a mailbox, and how the others are refused."""

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aiosmtplib
import pytest

from deploy.local.providers.base_values import Fault
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.google_grants import FULL_MAIL, GMAIL_SEND
from deploy.local.providers.microsoft import MicrosoftSandbox
from deploy.local.providers.smtp_oauth import SmtpOAuth, TokenServer
from tests.fixtures_tls import TestCertificates

ADA, EVE = "ada@hooli.example", "eve@umbrella.example"
SMTP_SEND = "https://outlook.office.com/SMTP.Send"
MAIL = b"From: %b\r\nTo: jo@example.net\r\nMessage-ID: <1@x.example>\r\n\r\nA text.\r\n"


@pytest.fixture
def boxes(tls: TestCertificates) -> Iterator[tuple[MicrosoftSandbox, GoogleSandbox, SmtpOAuth]]:
    context = tls.server.server_context()
    with (
        MicrosoftSandbox(tls=context, ca_file=tls.ca_file) as microsoft,
        GoogleSandbox(tls=context, ca_file=tls.ca_file) as google,
        SmtpOAuth(microsoft, google) as servers,
    ):
        microsoft.add_account(EVE, "Eve", aliases=("alias@umbrella.example",), send_as=("shared@umbrella.example",))
        google.add_account(ADA, "Ada", send_as=("team@hooli.example",))
        yield microsoft, google, servers


@asynccontextmanager
async def connected(server: TokenServer | None, ca_file: object) -> AsyncIterator[aiosmtplib.SMTP]:
    assert server is not None
    context = ssl.create_default_context(cafile=str(ca_file))
    implicit = server.accounts.implicit
    client = aiosmtplib.SMTP(
        hostname="localhost",
        port=server.port,
        use_tls=implicit,
        start_tls=not implicit,
        tls_context=context,
        timeout=10,
    )
    await client.connect()
    try:
        yield client
    finally:
        if isinstance(client.transport, asyncio.WriteTransport):
            client.transport.abort()  # closing would wait for the other side
        client.close()
        await asyncio.sleep(0)


async def signing_in(server: TokenServer | None, ca_file: object, user: str, token: str) -> tuple[int, str, str]:
    """The last reply, and what the challenge before it says."""
    async with connected(server, ca_file) as client:
        await client.ehlo()
        given = base64.b64encode(f"user={user}\x01auth=Bearer {token}\x01\x01".encode())
        reply = await client.execute_command(b"AUTH", b"XOAUTH2", given)
        if reply.code != 334:
            return reply.code, reply.message, ""
        status = json.loads(base64.b64decode(reply.message))["status"]
        reply = await client.execute_command(b"")
        return reply.code, reply.message, status


async def test_gmail_takes_tokens_for_all_mail_only(
    boxes: tuple[MicrosoftSandbox, GoogleSandbox, SmtpOAuth],
) -> None:
    _, box, servers = boxes
    box.add_account("jo@hooli.example")
    full = box.token(ADA, scopes=[FULL_MAIL])
    assert (await signing_in(servers.google, box.ca_file, ADA, full))[0] == 235
    refused = await signing_in(servers.google, box.ca_file, ADA, box.token(ADA, scopes=[GMAIL_SEND]))
    assert (refused[0], refused[1][:5], refused[2]) == (535, "5.7.8", "400")
    assert (await signing_in(servers.google, box.ca_file, "jo@hooli.example", full))[0] == 535
    box.revoke(ADA)
    assert (await signing_in(servers.google, box.ca_file, ADA, full))[::2] == (535, "401")


async def test_exchange_takes_tokens_for_outlook_only(
    boxes: tuple[MicrosoftSandbox, GoogleSandbox, SmtpOAuth],
) -> None:
    box, _, servers = boxes
    assert servers.exchange is not None
    token = box.token(EVE, scopes=[SMTP_SEND])
    assert (await signing_in(servers.microsoft, box.ca_file, EVE, token))[0] == 235
    graph = await signing_in(servers.microsoft, box.ca_file, EVE, box.token(EVE))
    assert (graph[0], graph[1][:5]) == (535, "5.7.3")
    servers.exchange.disabled.add(EVE)
    assert "SmtpClientAuthentication is disabled" in (await signing_in(servers.microsoft, box.ca_file, EVE, token))[1]
    servers.exchange.disabled.clear()
    box.expire_access(EVE)
    assert (await signing_in(servers.microsoft, box.ca_file, EVE, token))[0] == 535


async def test_mails_are_kept_with_the_sender_that_arrives(
    boxes: tuple[MicrosoftSandbox, GoogleSandbox, SmtpOAuth],
) -> None:
    microsoft, google, servers = boxes
    async with connected(servers.google, google.ca_file) as client:
        await client.auth_xoauth2(ADA, google.token(ADA, scopes=[FULL_MAIL]))
        for sender in ("team@hooli.example", "boss@hooli.example"):
            await client.sendmail(sender, ["jo@example.net"], MAIL % sender.encode())
        google.lock_sending(ADA, 60)
        with pytest.raises(aiosmtplib.SMTPDataError, match=r"550, '5\.4\.5"):
            await client.sendmail(ADA, ["jo@example.net"], MAIL % ADA.encode())
    assert [(mail.sender, mail.form) for mail in google.mails] == [("team@hooli.example", "smtp"), (ADA, "smtp")]
    assert b"<1@x.example>" in google.mails[0].content
    async with connected(servers.microsoft, microsoft.ca_file) as client:
        await client.auth_xoauth2(EVE, microsoft.token(EVE, scopes=[SMTP_SEND]))
        for sender in ("shared@umbrella.example", "alias@umbrella.example"):
            await client.sendmail(sender, ["jo@example.net"], MAIL % sender.encode())
        with pytest.raises(aiosmtplib.SMTPSenderRefused, match=r"5\.7\.60"):
            await client.sendmail("boss@umbrella.example", ["jo@example.net"], MAIL % b"boss@umbrella.example")
    assert [mail.sender for mail in microsoft.mails] == ["shared@umbrella.example", EVE]


async def test_a_fourth_connection_of_a_mailbox_and_faults(
    boxes: tuple[MicrosoftSandbox, GoogleSandbox, SmtpOAuth],
) -> None:
    box, _, servers = boxes
    token = box.token(EVE, scopes=[SMTP_SEND])

    async def sending(client: aiosmtplib.SMTP) -> None:
        await client.sendmail(EVE, ["jo@example.net"], MAIL % EVE.encode())

    async with (
        connected(servers.microsoft, box.ca_file) as one,
        connected(servers.microsoft, box.ca_file) as two,
        connected(servers.microsoft, box.ca_file) as three,
        connected(servers.microsoft, box.ca_file) as four,
    ):
        for client in (one, two, three):
            await client.auth_xoauth2(EVE, token)
        await sending(three)
        await four.auth_xoauth2(EVE, token)
        with pytest.raises(aiosmtplib.SMTPDataError, match=r"432, '4\.3\.2"):
            await sending(four)
        await four.quit()
        box.fault("smtp:data", Fault.status(0, "451 4.3.0 Later"), account=EVE)
        with pytest.raises(aiosmtplib.SMTPDataError, match="451"):
            await sending(one)
        box.fault("smtp:data", Fault.accept_and_cut())
        with pytest.raises(aiosmtplib.SMTPServerDisconnected):
            await sending(two)
    assert len(box.mails) == 2
