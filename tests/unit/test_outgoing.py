"""How a process reaches servers and providers: which parts a transport needs, and where the providers' servers are."""

import socket

import pytest

from config import outgoing
from config.choices import TransportKind
from config.organizations_account import PROVIDER_SERVERS, Server
from config.process import Settings
from transports.gmail.settings import GmailSettings
from transports.http import Http
from transports.microsoft365.settings import Microsoft365Settings
from transports.smtp.settings import Security, SmtpSettings

ACCOUNTS = (Microsoft365Settings("g", "ada@acme.example"), GmailSettings("g", "ada@acme.example"))


class Nothing:
    """A token source that is not asked."""

    async def token(self, *, refused: str | None = None) -> str:
        raise AssertionError("nobody is to ask")


class Token:
    """A token source with a token."""

    async def token(self, *, refused: str | None = None) -> str:
        return "token"


async def test_with_tokens_and_a_session_there_is_a_transport_for_every_account():
    make = outgoing.for_organizations(Settings(), None, lambda grant: Nothing(), Http())
    by_smtp = SmtpSettings("smtp.gmail.com", 465, Security.TLS, "ada@acme.example", grant="g")
    assert [make(account).name for account in (*ACCOUNTS, by_smtp)] == ["microsoft365", "gmail", "smtp"]


@pytest.mark.parametrize(("grant", "stage"), [("g", "connect"), (None, "address")])
async def test_a_providers_smtp_server_is_the_operators_choice_and_needs_no_guard(grant, stage):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = "127.0.0.1", nobody.getsockname()[1], Security.TLS, "ada@acme.example"
        account = SmtpSettings(*place, grant=grant, password=None if grant else "secret")
        settings = Settings(smtp_ports=(587,))
        made = outgoing.for_organizations(settings, None, lambda grant: Token(), Http())(account)
        assert (await made.check(2.0))[-1].name == stage
        await made.aclose()


@pytest.mark.parametrize("account", ACCOUNTS)
@pytest.mark.parametrize("make", [outgoing.for_organizations, outgoing.for_platform])
def test_without_them_a_connected_account_is_refused_plainly(make, account):
    assert make(Settings())(SmtpSettings("mail.acme.example", 587, Security.STARTTLS)).name == "smtp"
    with pytest.raises(ValueError, match="no context for"):
        make(Settings())(account)


def test_the_providers_smtp_servers_are_those_of_the_process():
    assert outgoing.provider_servers(Settings()) == PROVIDER_SERVERS
    settings = Settings(microsoft_smtp="localhost:1587", gmail_smtp="[::1]:1465")
    assert outgoing.provider_servers(settings) == {
        TransportKind.MICROSOFT365: Server("localhost", 1587, Security.STARTTLS),
        TransportKind.GMAIL: Server("::1", 1465, Security.TLS),
    }
