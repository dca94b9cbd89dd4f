"""The settings pages and their API in this process: real parts on an SQLite file, and the platform that signs tokens.

Nothing is listened on. Transports of trials are the real ones, behind a guard that lets nothing through.
"""

import os
import secrets
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import jwt
from fastapi import FastAPI

from config import platform_key
from config.choices import TransportSettings
from config.dns.checks import DomainChecks
from config.dns.testing import ScriptedResolver
from config.drafts import Drafts
from config.grants import Grants
from config.held_back import HeldBackReading
from config.history import History
from config.oauth.flows import Flows
from config.oauth.revoking import Revoking
from config.oauth.values import Provider
from config.organizations import Organizations
from config.save_and_test import Announce, MakeTransport, SaveAndTest
from config.secrets import SecretBox
from config.sending_limits import SendingLimits
from config.sessions import Session, Sessions
from config.store import Store
from config.testing import KEY, sqlite_url
from config.trial_codes import new_code
from config.trials import Trials
from config.web.app import create_app
from config.web.cookies import NAME
from config.web.handover import Handover
from config.web.services import Services, WebSettings
from tests.consenting import ScriptedProvider
from transports.errors import AccountProblem, Code
from transports.message import Mailbox
from transports.protocol import Transport
from transports.smtp.guard import Address, Guard
from transports.smtp.settings import SmtpContext, SmtpSettings
from transports.smtp.transport import SmtpTransport
from transports.testing import RecordingTransport

URL = "https://settings.platform.example"
PLATFORM_KEY = "a key that the platform and the settings page share"


class Clock:
    """A clock for a person's time and a machine's; it moves only when it is told to, or by ``step`` at every look."""

    def __init__(self, step: float = 0.0) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)
        self.step = timedelta(seconds=step)
        self.seconds = 0.0

    def now(self) -> datetime:
        """The wall clock."""
        return self.at

    def monotonic(self) -> float:
        """The monotonic clock."""
        self.pass_(self.step.total_seconds())
        return self.seconds

    def pass_(self, seconds: float) -> None:
        """Lets time pass."""
        self.seconds += seconds
        self.at += timedelta(seconds=seconds)


@dataclass(slots=True)
class Visitor:
    """Somebody with a session, by cookie (a browser) or by bearer (a program)."""

    token: str
    session: Session

    @property
    def cookie(self) -> dict[str, str]:
        """What a browser sends with every request."""
        return {"Cookie": f"{NAME}={self.token}"}

    @property
    def browser(self) -> dict[str, str]:
        """What a page of ours sends with a change."""
        return {**self.cookie, "Origin": URL, "X-CSRF-Token": self.session.csrf}

    @property
    def bearer(self) -> dict[str, str]:
        """What a program sends."""
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(slots=True)
class Site:
    """All parts, and a client that asks the application directly."""

    app: FastAPI
    services: Services
    store: Store
    clock: Clock
    client: httpx.AsyncClient
    providers: Mapping[Provider, ScriptedProvider]
    announced: list[tuple[str, int]] = field(default_factory=list)

    def claims(self, organization: str = "acme", **changes: Any) -> dict[str, Any]:
        """What the platform says about a person; a value of ``None`` leaves the claim out."""
        plain = {
            "aud": "mailroom",
            "organization": organization,
            "role": "admin",
            "email": "ada@acme.example",
            "name": "Ada Lovelace",
            "jti": secrets.token_hex(16),
            "exp": int((self.clock.at + timedelta(seconds=60)).timestamp()),
        }
        return {name: value for name, value in {**plain, **changes}.items() if value is not None}

    def handover(self, organization: str = "acme", *, key: str = PLATFORM_KEY, **changes: Any) -> str:
        """A hand-over token."""
        return jwt.encode(self.claims(organization, **changes), key, algorithm="HS256")

    async def visitor(self, organization: str = "acme", **changes: Any) -> Visitor:
        """Somebody whom the platform handed over."""
        answer = await self.client.post("/api/v1/sessions", json={"token": self.handover(organization, **changes)})
        assert answer.status_code == 201, answer.text
        token = answer.json()["access_token"]
        session = await self.services.sessions.get(token)
        assert session is not None
        return Visitor(token, session)


class Closed(Guard):
    """Lets nothing through, whatever it is."""

    def check(self, addresses: Iterable[Address], port: int) -> None:
        raise AccountProblem(Code.ADDRESS_FORBIDDEN, transport="smtp")


def closed(settings: TransportSettings) -> Transport:
    """The real transport, which connects to nothing at all: no name is looked up and every address is refused."""
    if not isinstance(settings, SmtpSettings):
        return RecordingTransport()

    async def nowhere(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    context = SmtpContext(
        ssl_context=ssl.create_default_context(),
        guard=Closed(),
        local_hostname="settings.platform.example",
        address_pause=0.0,
        resolver=nowhere,
    )
    return SmtpTransport(settings, context=context)


@asynccontextmanager
async def settings_site(
    folder: Path, *, clock: Clock | None = None, make_transport: MakeTransport = closed
) -> AsyncIterator[Site]:
    """A site on a database in ``folder``."""
    time = clock or Clock()
    announced: list[tuple[str, int]] = []

    async def announce(organization: str, version: int) -> None:
        announced.append((organization, version))

    store = await Store.open(sqlite_url(folder))
    providers = {provider: ScriptedProvider(provider) for provider in Provider}
    services = _services(store, time, make_transport, announce, providers)
    app = create_app(services)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.1", 50_000))
    try:
        async with httpx.AsyncClient(transport=transport, base_url=URL) as client:
            yield Site(app, services, store, time, client, providers, announced)
    finally:
        await services.revoking.aclose()
        await services.trials.aclose()
        await store.close()


def _services(
    store: Store,
    clock: Clock,
    make_transport: MakeTransport,
    announce: Announce,
    providers: Mapping[Provider, ScriptedProvider],
) -> Services:
    box = SecretBox([KEY])
    grants = Grants(store, box, now=clock.now)
    organizations = Organizations(store, box, ports=range(1, 65_536), now=clock.now)
    drafts, trials = Drafts(store, box, now=clock.now), Trials(store, now=clock.now)
    sessions = Sessions(store, now=clock.now, random=os.urandom)

    async def ready() -> bool:
        return True

    return Services(
        settings=WebSettings(URL, Mailbox("no-reply@platform.example", "Platform")),
        organizations=organizations,
        limits=SendingLimits(store, now=clock.now),
        held_back=HeldBackReading(store, now=clock.now),
        drafts=drafts,
        history=History(store),
        trials=SaveAndTest(
            organizations,
            drafts,
            trials,
            make_transport=make_transport,
            announce=announce,
            now=clock.now,
            clock=clock.monotonic,
            new_code=lambda: new_code(secrets.randbits),
            base_url=URL,
        ),
        trial_rows=trials,
        sessions=sessions,
        handover=Handover(platform_key.parse(PLATFORM_KEY), sessions, now=clock.now),
        domains=DomainChecks(ScriptedResolver(), now=clock.now, clock=clock.monotonic),
        announce=announce,
        providers=providers,
        grants=grants,
        flows=Flows(store, box, now=clock.now),
        revoking=Revoking(grants, providers),
        ready=ready,
        now=clock.now,
        clock=clock.monotonic,
    )


def reaching_loopback(context: ssl.SSLContext) -> MakeTransport:
    """Makes the real transport, which may reach servers of this machine that ``context`` trusts."""
    networks = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    shared = SmtpContext(context, Guard(allow_networks=networks), "settings.platform.example", address_pause=0.0)

    def make(settings: TransportSettings) -> Transport:
        assert isinstance(settings, SmtpSettings)
        return SmtpTransport(settings, context=shared)

    return make
