"""Where a chaos scene takes place: broker, database, servers and accounts, with wires in between where they are cut."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pika.exceptions
import psycopg
import trustme

from config.actors import OPERATOR
from config.oauth.values import Identity, Method, Provider, TokenSet, Way
from config.provider_form import ProviderForm
from config.secrets import Secret
from config.sending_limits import SendingLimits
from config.store import Store
from config.testing import Stores, smtp_form, sqlite_url, stores_over
from deploy.local.broker_for_use import LocalBroker
from deploy.local.cluster import PrivateCluster
from deploy.local.node import PrivateNode
from deploy.local.postgres import PrivatePostgres
from deploy.local.providers.google import GoogleSandbox
from deploy.local.providers.microsoft import MicrosoftSandbox
from tests.chaos.mix import GMAIL, GRAPH, LOCKED, OWN
from tests.chaos.servers import Boxed, OwnServer
from tests.chaos.wires import Wired
from tests.fixtures_tls import Certificate
from tests.running import command
from transports.smtp.settings import Security

BROKER_AWAY = (OSError, pika.exceptions.AMQPError)
"""What the harness' own connections meet while the broker is down."""


@dataclass(frozen=True, slots=True)
class Brokers:
    """One broker, or a cluster of three nodes; ``urls`` are of a virtual host of this scene's.

    ``nodes`` are empty where the broker is not ours to stop.
    """

    urls: tuple[str, ...]
    nodes: tuple[PrivateNode, ...]

    @property
    def url(self) -> str:
        """Of a node that runs (the first that does)."""
        # The first node's epmd serves all of a cluster.
        running = [len(node.pids) > (node is self.nodes[0]) for node in self.nodes]
        return next((url for url, runs in zip(self.urls, running, strict=False) if runs), self.urls[0])


@contextlib.contextmanager
def brokers(given: LocalBroker | PrivateCluster) -> Iterator[Brokers]:
    """A virtual host of its own on a broker or a cluster that runs."""
    vhost = f"chaos-{secrets.token_hex(4)}"
    if isinstance(given, PrivateCluster):
        yield Brokers(given.add_vhost(vhost), given.nodes)
        return
    yield Brokers((given.add_vhost(vhost),), (given,) if isinstance(given, PrivateNode) else ())
    given.delete_vhost(vhost)


@contextlib.contextmanager
def database(folder: Path, server: PrivatePostgres | None) -> Iterator[str]:
    """An empty database, on a server or as a file.

    What is committed there stays, also when the server is stopped at once.
    """
    if server is None:
        yield sqlite_url(folder)
        return
    name = server.create_database()
    plain = server.url(name).replace("+psycopg", "")
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = on")
    yield server.url(name)
    server.drop_database(name)


@dataclass(frozen=True, slots=True)
class Accounts:
    """The servers of organisations with accounts of their own, and what they took."""

    own: OwnServer
    microsoft: MicrosoftSandbox
    google: GoogleSandbox
    graph_took: Boxed
    gmail_took: Boxed
    ca_file: Path

    @property
    def variables(self) -> dict[str, object]:
        """The settings of a process that works with them."""
        given = self.microsoft.settings | self.google.settings
        plain: dict[str, object] = {name.removeprefix("MAILROOM_").lower(): value for name, value in given.items()}
        return {
            **plain,
            "tls_ca_file": self.ca_file,
            "allow_networks": "127.0.0.0/8,::1/128",
            "smtp_ports": self.own.port,
        }


@contextlib.contextmanager
def accounts(folder: Path) -> Iterator[Accounts]:
    """All of them, running, with certificates of one authority."""
    authority = trustme.CA()
    ca_file = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    paths = Certificate(folder / "chain.pem", folder / "key.pem")
    paths.certificate.write_bytes(b"".join(part.bytes() for part in leaf.cert_chain_pems))
    paths.key.write_bytes(leaf.private_key_pem.bytes())
    tls = paths.server_context()
    graph, gmail = Boxed(GRAPH), Boxed(GMAIL)
    with ExitStack() as stack:
        own = stack.enter_context(OwnServer(tls=tls, credentials=[(name, "secret") for name in OWN]))
        microsoft = stack.enter_context(MicrosoftSandbox(tls=tls, ca_file=ca_file, arrived=graph))
        google = stack.enter_context(GoogleSandbox(tls=tls, ca_file=ca_file, arrived=gmail))
        google.quotas.per_minute = None
        yield Accounts(own, microsoft, google, graph, gmail, ca_file)


def configure(variables: Mapping[str, str], given: Accounts) -> None:
    """Puts all organisations' accounts into the database."""
    command(variables, "database", "upgrade")
    asyncio.run(_configure(variables["MAILROOM_DATABASE_URL"], given))


async def _configure(url: str, given: Accounts) -> None:
    store = await Store.open(url)
    try:
        found = stores_over(store)
        for name in (*OWN, LOCKED):
            password = "wrong" if name == LOCKED else "secret"
            form = smtp_form(
                host="localhost",
                port=given.own.port,
                security=Security.STARTTLS,
                username=name,
                password=Secret(password),
                sender_address=f"notify@{name}.example",
            )
            await found.organizations.configure_smtp(name, form)
        given.microsoft.graph.send_from_alias_enabled = True
        await _connect(found, GRAPH, Provider.MICROSOFT, given.microsoft, aliases=["notify@graph.example"])
        await _connect(found, GMAIL, Provider.GOOGLE, given.google, send_as=["notify@gmail.example"])
        # Its own pace, 60 a minute, is another test's subject; here it would only take long.
        await SendingLimits(store, now=found.now).choose(GMAIL, {"per_minute": 0})
    finally:
        await store.close()


async def _connect(found: Stores, organization: str, provider: Provider, box: Any, **more: Any) -> None:
    address = f"team@{organization}.example"
    box.add_account(address, "Team", **more)
    tokens = TokenSet(Secret(str(box.token(address))), 3600.0, frozenset(), Secret(str(box.grant(address))))
    account = box.account(address)
    identity = Identity(account.subject, account.tenant, address, account.name)
    grant = await found.grants.add_candidate(organization, provider, Method.PERSON, Way.API, tokens, identity, OPERATOR)
    form = ProviderForm(f"notify@{organization}.example", organization, grant.id)
    await found.organizations.configure_provider(organization, form)


@dataclass(slots=True)
class Wires:
    """To the broker for each replica, to the relay and to the database for all; ``None`` where there is none."""

    broker: dict[str, Wired]
    relay: Wired | None = None
    database: Wired | None = None
