"""SMTP with a token against the stand-ins for Exchange Online and Gmail: the same grants as the APIs, other rules."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.google_grants import FULL_MAIL, GMAIL_SEND
from deploy.local.providers.microsoft import MicrosoftSandbox
from deploy.local.providers.smtp_oauth import SmtpOAuth, TokenServer
from tests.fakes.smtpd_client import GRANT, Grant, mail, transport
from tests.fixtures_tls import TestCertificates
from tests.waiting import eventually
from transports.errors import AccountProblem, Code, DeliveryError, Throttled
from transports.smtp.settings import Security
from transports.smtp.transport import SmtpTransport

ADA, EVE = "ada@hooli.example", "eve@umbrella.example"
SMTP_SEND = "https://outlook.office.com/SMTP.Send"


@dataclass
class Providers:
    microsoft: MicrosoftSandbox
    google: GoogleSandbox
    servers: SmtpOAuth
    tls: TestCertificates

    def by(self, server: TokenServer | None, user: str, *tokens: str, **changes: Any) -> SmtpTransport:
        assert server is not None
        security = Security.TLS if server.accounts.implicit else Security.STARTTLS
        options = {"username": user, "grant": GRANT, "context_tokens": Grant(*tokens), **changes}
        return transport(server.port, self.tls.client_context(), security, **options)

    def exchange(self, *tokens: str, **changes: Any) -> SmtpTransport:
        return self.by(self.servers.microsoft, EVE, *tokens, **changes)

    def gmail(self, *tokens: str, **changes: Any) -> SmtpTransport:
        return self.by(self.servers.google, ADA, *tokens, **changes)


@pytest.fixture
def providers(tls: TestCertificates) -> Iterator[Providers]:
    context = tls.server.server_context()
    with (
        MicrosoftSandbox(tls=context, ca_file=tls.ca_file) as microsoft,
        GoogleSandbox(tls=context, ca_file=tls.ca_file) as google,
        SmtpOAuth(microsoft, google) as servers,
    ):
        microsoft.add_account(EVE, "Eve")
        google.add_account(ADA, "Ada")
        yield Providers(microsoft, google, servers, tls)


async def refusal(sending: SmtpTransport, sender: str) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await sending.send(mail(sender=sender), 10)
    await sending.aclose()
    return caught.value


async def test_a_token_for_smtp_sends(providers: Providers) -> None:
    exchange = providers.exchange("old", providers.microsoft.token(EVE, scopes=(SMTP_SEND,)))
    assert (await exchange.send(mail(sender=EVE), 10)).accepted == (0,)
    await exchange.aclose()
    gmail = providers.gmail("old", providers.google.token(ADA, scopes=(FULL_MAIL,)))
    assert (await gmail.send(mail(sender=ADA), 10)).accepted == (0,)
    await gmail.aclose()
    for taken in (*providers.microsoft.mails, *providers.google.mails):
        assert taken.form == "smtp"
        assert b"Message-ID: <0123456789@example.org>" in taken.content


async def test_a_token_for_the_api_is_none_for_smtp(providers: Providers) -> None:
    graph = await refusal(providers.exchange(providers.microsoft.token(EVE)), EVE)
    assert (type(graph), graph.code, graph.detail) == (
        AccountProblem,
        Code.RECONNECTION_NEEDED,
        "535 5.7.3 (token 401)",
    )
    api = await refusal(providers.gmail(providers.google.token(ADA, scopes=(GMAIL_SEND,))), ADA)
    assert (type(api), api.code, api.detail) == (AccountProblem, Code.RECONNECTION_NEEDED, "535 5.7.8 (token 400)")


async def test_smtp_that_is_switched_off_is_no_matter_of_the_token(providers: Providers) -> None:
    assert providers.servers.exchange is not None
    providers.servers.exchange.disabled.add(EVE)
    token = providers.microsoft.token(EVE, scopes=(SMTP_SEND,))
    error = await refusal(providers.exchange(token, "another"), EVE)
    assert (type(error), error.code) == (AccountProblem, Code.ACCESS_POLICY)
    assert providers.microsoft.calls["smtp:auth"] == 1


async def test_gmail_s_daily_limit_parks_the_account(providers: Providers) -> None:
    providers.google.lock_sending(ADA, 3600)
    error = await refusal(providers.gmail(providers.google.token(ADA, scopes=(FULL_MAIL,))), ADA)
    assert (type(error), error.code, error.retry_after) == (AccountProblem, Code.QUOTA_EXHAUSTED, 86_400)


async def test_more_connections_than_exchange_likes_lose_no_mail(providers: Providers) -> None:
    token = providers.microsoft.token(EVE, scopes=(SMTP_SEND,))
    sending = providers.exchange(token, max_connections=8)

    async def accepted() -> bool:
        try:
            return (await sending.send(mail(sender=EVE), 20)).accepted == (0,)
        except Throttled:  # when ours are closed, and the server has not noticed yet: it comes again, uncounted
            return False

    async def sent() -> None:
        _: bool = await eventually(accepted)

    await asyncio.gather(*(sent() for _ in range(24)))
    await sending.aclose()
    assert len(providers.microsoft.mails) == 24
