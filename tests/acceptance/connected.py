"""What the acceptance tests of connected accounts share: both providers' stand-ins, and accounts connected without a
browser, straight in the database."""

import asyncio
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pika

from config.actors import OPERATOR
from config.oauth.values import Identity, Method, Provider, TokenSet, Way
from config.provider_form import ProviderForm
from config.secrets import Secret
from config.testing import stores_in
from consumer import names
from deploy.local.providers.base import ProviderSandbox
from deploy.local.providers.base_values import Mail
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.microsoft import MicrosoftSandbox
from deploy.local.providers.smtp_oauth import SmtpOAuth
from tests.fixtures_tls import TestCertificates

_SMTP_SCOPES = {
    Provider.MICROSOFT: "https://outlook.office.com/SMTP.Send",
    Provider.GOOGLE: "https://mail.google.com/",
}


@dataclass(frozen=True)
class Boxes:
    """Both stand-ins with their SMTP servers, and certificates of the tests' authority."""

    microsoft: MicrosoftSandbox
    google: GoogleSandbox
    smtp: SmtpOAuth
    tls: TestCertificates

    @property
    def variables(self) -> dict[str, object]:
        """The settings of a process that works with them, by their names without prefix."""
        given = self.microsoft.settings | self.google.settings | self.smtp.settings
        plain: dict[str, object] = {name.removeprefix("MAILROOM_").lower(): value for name, value in given.items()}
        ports = ",".join(place.rpartition(":")[2] for place in self.smtp.settings.values())
        return {**plain, "tls_ca_file": self.tls.ca_file, "allow_networks": "127.0.0.0/8,::1/128", "smtp_ports": ports}

    def of(self, provider: Provider) -> Any:
        """The stand-in of one provider."""
        return self.microsoft if provider is Provider.MICROSOFT else self.google

    @property
    def secrets(self) -> set[str]:
        """Every token and secret that was given out."""
        entra, google = self.microsoft.grants, self.google.grants
        tokens = {*entra.refreshes, *entra.accesses, *google._grants, *google._access}
        return tokens | {self.microsoft.client_secret, self.google.client_secret}


@contextmanager
def running(tls: TestCertificates) -> Iterator[Boxes]:
    """Both of them, running."""
    both: dict[str, Any] = {"tls": tls.server.server_context(), "ca_file": tls.ca_file}
    with (
        MicrosoftSandbox(**both) as microsoft,
        GoogleSandbox(**both) as google,
        SmtpOAuth(microsoft, google) as smtp,
    ):
        yield Boxes(microsoft, google, smtp, tls)


@dataclass(frozen=True)
class Customer:
    """An organisation that connected an account; its sender is an address that the account may send as."""

    organization: str
    provider: Provider
    way: Way = Way.API

    @property
    def account(self) -> str:
        return f"team@{self.organization}.example"

    @property
    def sender(self) -> str:
        return f"notify@{self.organization}.example"

    @property
    def alias(self) -> str:
        return f"{self.organization} notifications"


def make_account(boxes: Boxes, customer: Customer) -> str:
    """Adds the account to the stand-in; returns a refresh token as after a consent."""
    if customer.provider is Provider.MICROSOFT:
        boxes.microsoft.graph.send_from_alias_enabled = True
        boxes.microsoft.add_account(customer.account, "Team", aliases=[customer.sender])
    else:
        boxes.google.add_account(customer.account, "Team", send_as=[customer.sender])
    return consent(boxes, customer)


def consent(boxes: Boxes, customer: Customer) -> str:
    """A refresh token as after a (new) consent."""
    box = boxes.of(customer.provider)
    if customer.way is Way.API:
        return str(box.grant(customer.account))
    return str(box.grant(customer.account, scopes=[_SMTP_SCOPES[customer.provider]]))


def connect(folder: Path, boxes: Boxes, *customers: Customer, expired: bool = True) -> dict[str, str]:
    """Makes the accounts and puts them to use, straight in the database; returns their refresh tokens.

    With ``expired`` there is no access token that is good any more, so the first mail has to fetch one.
    """
    tokens = {customer.organization: make_account(boxes, customer) for customer in customers}
    asyncio.run(_connect(folder, boxes, customers, tokens, expired=expired))
    return tokens


def reconnect(folder: Path, boxes: Boxes, *customers: Customer) -> dict[str, str]:
    """The same accounts consent once more, as on the settings page; nobody is told."""
    tokens = {customer.organization: consent(boxes, customer) for customer in customers}
    asyncio.run(_connect(folder, boxes, customers, tokens, expired=True))
    return tokens


async def _connect(
    folder: Path, boxes: Boxes, customers: Iterable[Customer], tokens: dict[str, str], *, expired: bool
) -> None:
    async with stores_in(folder) as found:
        for customer in customers:
            box = boxes.of(customer.provider)
            account = box.account(customer.account)
            given = TokenSet(
                Secret("of an hour ago" if expired else str(box.token(customer.account))),
                -1.0 if expired else 3600.0,
                frozenset(),
                Secret(tokens[customer.organization]),
            )
            identity = Identity(account.subject, account.tenant, customer.account, account.name)
            grant = await found.grants.add_candidate(
                customer.organization, customer.provider, Method.PERSON, customer.way, given, identity, OPERATOR
            )
            again = await found.organizations.reconnect(customer.organization)
            if again is None:
                form = ProviderForm(customer.sender, customer.alias, grant.id)
                await found.organizations.configure_provider(customer.organization, form)


def recipients(box: ProviderSandbox[Any], account: str) -> list[str]:
    """Of all mails that left by an account, in their order, the first recipient of each."""
    return [mail.recipients[0] for mail in box.mails if mail.account == account]


def parsed(mail: Mail) -> Any:
    """A mail as its recipient reads it."""
    return message_from_bytes(mail.content, policy=policy.default)


class Heard:
    """Everything that is published to ``mailroom.events``, by a connection and a thread of its own."""

    def __init__(self, amqp_url: str) -> None:
        self._url = amqp_url
        self.said: list[tuple[str, bytes]] = []
        self._bound = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="heard", daemon=True)
        self._connection: Any = None

    def _listen(self) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(self._url))
        channel = self._connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, names.EVENTS, "#")
        channel.basic_consume(queue, self._take, auto_ack=True)
        self._bound.set()
        channel.start_consuming()
        self._connection.close()

    def _take(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        if method.routing_key == "end":
            channel.stop_consuming()
        else:
            self.said.append((method.routing_key, body))

    def __enter__(self) -> "Heard":
        self._thread.start()
        assert self._bound.wait(10), "the exchange is not there"
        return self

    def __exit__(self, *_: object) -> None:
        with pika.BlockingConnection(pika.URLParameters(self._url)) as connection:
            connection.channel().basic_publish(names.EVENTS, "end", b"")
        self._thread.join(10)
