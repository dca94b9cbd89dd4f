"""Parts for tests of other packages: a store in a folder, a key, and forms that are complete. Not for production."""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from config.actors import OPERATOR, Actor
from config.drafts import Drafts
from config.grants import Grant, Grants
from config.history import History
from config.oauth.flows import Flows
from config.oauth.values import AppCredentials, Identity, Method, Provider, TokenSet, Way
from config.organizations import Organizations, ProviderForm
from config.secrets import Secret, SecretBox, generate_key
from config.sessions import Sessions
from config.smtp_form import SmtpForm
from config.store import Store
from config.trials import Trials
from transports.smtp.settings import Security

KEY: Final = Secret(generate_key(lambda count: b"k" * count))
"""A fixed secret key."""
LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
"""What a guard must allow for servers of this machine."""


def sqlite_url(folder: Path) -> str:
    """The URL of a database file in a folder."""
    return f"sqlite+aiosqlite:///{folder / 'mailroom.db'}"


def smtp_form(**changes: Any) -> SmtpForm:
    """Settings of an SMTP server that pass every check."""
    values: dict[str, Any] = {
        "host": "mail.acme.example",
        "port": 587,
        "security": Security.STARTTLS,
        "sender_address": "notifications@acme.example",
        "sender_alias": "Acme",
        "username": "acme",
        "password": Secret("correct horse"),
    }
    return SmtpForm(**{**values, **changes})


def provider_form(grant: Grant, **changes: Any) -> ProviderForm:
    """A sender for a connected account that passes every check."""
    values = {"sender_address": "notifications@acme.example", "sender_alias": "Acme", "grant_id": grant.id}
    return ProviderForm(**{**values, **changes})


def token_set(refresh_token: str | None = "refresh 1", **changes: Any) -> TokenSet:  # noqa: S107 - no password
    """What a consent gave."""
    values: dict[str, Any] = {
        "access_token": Secret("access 1"),
        "expires_in": 3600.0,
        "scopes": frozenset({"Mail.Send"}),
        "refresh_token": None if refresh_token is None else Secret(refresh_token),
    }
    return TokenSet(**{**values, **changes})


async def candidate_grant(  # noqa: PLR0913 - each has a default, and most tests give one or two
    grants: Grants,
    organization: str = "acme",
    provider: Provider = Provider.MICROSOFT,
    *,
    way: Way = Way.API,
    tokens: TokenSet | AppCredentials | None = None,
    subject: str = "ada",
    email: str = "ada@acme.example",
    mailbox_known: bool = True,
    actor: Actor = OPERATOR,
) -> Grant:
    """An account that was just connected: by a person, or as an app with ``AppCredentials``."""
    given = token_set() if tokens is None else tokens
    method = Method.APP if isinstance(given, AppCredentials) else Method.PERSON
    identity = Identity(subject, "tenant of acme", email, "Ada Lovelace", mailbox_known)
    return await grants.add_candidate(organization, provider, method, way, given, identity, actor)


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that is kept about organisations, over one store; ``now`` is the clock that all of it was given."""

    store: Store
    box: SecretBox
    organizations: Organizations
    drafts: Drafts
    trials: Trials
    history: History
    sessions: Sessions
    grants: Grants
    flows: Flows
    now: Callable[[], datetime]

    async def connect(self, organization: str = "acme", provider: Provider = Provider.MICROSOFT, **about: Any) -> Grant:
        """Makes a fresh :func:`candidate_grant` the organisation's transport, and returns it as it is then."""
        grant = await candidate_grant(self.grants, organization, provider, **about)
        await self.organizations.configure_provider(organization, provider_form(grant))
        found = await self.grants.of(grant.id)
        assert found is not None  # noqa: S101 - a helper of tests
        return found


def stores_over(
    store: Store, *, now: Callable[[], datetime] = lambda: datetime.now(UTC), keys: Iterable[Secret] = (KEY,)
) -> Stores:
    """The services of a store, as a process has them; ports are not limited, and loopback addresses are allowed."""
    box = SecretBox(keys)
    return Stores(
        store,
        box,
        Organizations(store, box, ports=range(1, 65_536), allow_networks=LOOPBACK, now=now),
        Drafts(store, box, now=now),
        Trials(store, now=now),
        History(store),
        Sessions(store, now=now, random=os.urandom),
        Grants(store, box, now=now),
        Flows(store, box, now=now),
        now,
    )


@asynccontextmanager
async def stores_in(folder: Path, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> AsyncIterator[Stores]:
    """:func:`stores_over` an SQLite file in a folder, which is made if need be."""
    store = await Store.open(sqlite_url(folder))
    try:
        yield stores_over(store, now=now)
    finally:
        await store.close()


@asynccontextmanager
async def organizations_in(folder: Path, **forms: SmtpForm) -> AsyncIterator[Organizations]:
    """The organisations of :func:`stores_in`, those named in ``forms`` configured."""
    async with stores_in(folder) as found:
        for organization, form in forms.items():
            await found.organizations.configure_smtp(organization, form)
        yield found.organizations
