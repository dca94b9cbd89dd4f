"""Parts for tests of other packages: a store in a folder, a key, and forms that are complete. Not for production."""

import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from config.drafts import Drafts
from config.history import History
from config.organizations import Organizations
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
    now: Callable[[], datetime]


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
