"""A place to *Save and test* in: a store in a folder, the production transport, and everything it is told kept."""

import asyncio
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from config.actors import Actor, ActorKind
from config.drafts import Drafts
from config.grants import Grants
from config.organizations import Organizations
from config.save_and_test import Limits, MakeTransport, SaveAndTest
from config.secrets import Secret, SecretBox
from config.smtp_form import SmtpForm
from config.store import Store
from config.testing import KEY, smtp_form, sqlite_url
from config.trial_codes import new_code
from config.trial_values import Trial
from config.trials import Trials
from tests.fakes.smtpd import FakeSmtpd
from tests.fixtures_tls import TestCertificates
from transports.message import Mailbox
from transports.registry import TransportContext, build
from transports.smtp.guard import Guard
from transports.smtp.settings import Security, SmtpContext

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
USER, PASSWORD = "acme", "correct horse"
JO = Actor(ActorKind.ADMINISTRATOR, "Jo Doe", "jo@canary.example")
TO = Mailbox("jo@canary.example", "Jo Doe")
BASE_URL = "https://settings.example"


class Bench:
    """One organisation's view of the service; ``now`` moves only when a test moves it."""

    def __init__(self, store: Store, tls: TestCertificates, limits: Limits) -> None:
        self.store = store
        self.time = datetime.now(UTC)
        self._context = TransportContext(
            SmtpContext(tls.client_context(), Guard(allow_networks=LOOPBACK), "client.example", address_pause=0.0)
        )
        self._limits = limits
        box = SecretBox([KEY])
        self.organizations = Organizations(
            store, box, ports=range(1, 65_536), allow_networks=LOOPBACK, now=lambda: self.time
        )
        self.drafts = Drafts(store, box, now=lambda: self.time)
        self.grants = Grants(store, box, now=lambda: self.time)
        self.trials = Trials(store, now=lambda: self.time, organization_limit=50, administrator_limit=50)
        self.announced: list[tuple[str, int]] = []
        self.codes: list[str] = []
        self.services: list[SaveAndTest] = []

    def service(self, make_transport: MakeTransport | None = None, **changes: Any) -> SaveAndTest:
        """A service as one process has it; several of them share the store."""
        values = {
            "make_transport": make_transport or (lambda settings: build(settings, self._context)),
            "announce": self._announce,
            "now": lambda: self.time,
            "clock": time.monotonic,
            "new_code": self._code,
            "base_url": BASE_URL,
            "limits": self._limits,
            "poll_seconds": 0.02,
        }
        made = SaveAndTest(self.organizations, self.drafts, self.trials, **{**values, **changes})
        self.services.append(made)
        return made

    async def start(self, service: SaveAndTest, form: SmtpForm, *, expected: int = 0, actor: Actor = JO) -> Trial:
        """Begins to try a form, as an administrator does."""
        return await service.start("acme", form, expected=expected, actor=actor, to=TO, language="en")

    async def tried(self, service: SaveAndTest, form: SmtpForm, *, expected: int = 0) -> Trial:
        """Tries a form to the end."""
        return await ended(service, await self.start(service, form, expected=expected))

    async def tried_active(self, service: SaveAndTest) -> Trial:
        """Tries the settings in use to the end."""
        return await ended(service, await service.start_active("acme", actor=JO, to=TO, language="en"))

    def later(self, seconds: float) -> None:
        """Moves the wall clock."""
        self.time += timedelta(seconds=seconds)

    async def _announce(self, organization: str, version: int) -> None:
        self.announced.append((organization, version))

    def _code(self) -> str:
        self.codes.append(new_code(secrets.randbits))
        return self.codes[-1]


@asynccontextmanager
async def bench(folder: Path, tls: TestCertificates, limits: Limits | None = None) -> AsyncIterator[Bench]:
    """A bench with a fresh SQLite file; its services are closed at the end."""
    store = await Store.open(sqlite_url(folder))
    made = Bench(store, tls, limits or Limits(check=10, mail=10))
    try:
        yield made
    finally:
        for service in made.services:
            await service.aclose()
        await store.close()


async def ended(service: SaveAndTest, trial: Trial) -> Trial:
    """The trial when it is over, which must be soon."""
    async with asyncio.timeout(30):
        async for latest in service.follow(trial.organization, trial.id):
            trial = latest
    return trial


def form_for(server: FakeSmtpd, **changes: Any) -> SmtpForm:
    """Settings for a server of a test, with the right password."""
    values = {
        "host": "localhost",
        "port": server.port,
        "security": Security.TLS if server.implicit_tls else Security.STARTTLS,
        "username": USER,
        "password": Secret(PASSWORD),
    }
    return smtp_form(**{**values, **changes})


def server_with(tls: TestCertificates, certificate: str = "server", **options: Any) -> FakeSmtpd:
    """A server that knows the account and shows one of the certificates; not started yet."""
    context = getattr(tls, certificate).server_context() if certificate else None
    return FakeSmtpd(**{"tls": context, "credentials": ((USER, PASSWORD),), **options})
