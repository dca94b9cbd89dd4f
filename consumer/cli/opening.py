"""What commands need open for a moment: the store, and the organisations in it.

Imported by a command when it runs, because the database's libraries take their time.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.organizations import Organizations
from config.outgoing import provider_servers
from config.process import Settings
from config.secrets import SecretBox
from config.store import Store


@asynccontextmanager
async def opened_store(settings: Settings) -> AsyncIterator[Store]:
    """The store, closed at the end of the block."""
    store = await Store.open(settings.database_url)
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def opened_organizations(settings: Settings) -> AsyncIterator[Organizations]:
    """The organisations of the store; no key is needed for what shows no secret."""
    async with opened_store(settings) as store:
        yield organizations_of(settings, store)


def organizations_of(settings: Settings, store: Store) -> Organizations:
    """The organisations of an open store, with the limits that the transports' guard has too."""
    box = SecretBox(settings.secret_keys)
    return Organizations(
        store,
        box,
        ports=settings.smtp_ports,
        allow_networks=settings.allow_networks,
        servers=provider_servers(settings),
    )
