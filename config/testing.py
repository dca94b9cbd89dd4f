"""Parts for tests of other packages: a store in a folder, a key, and forms that are complete. Not for production."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from config.organizations import Organizations
from config.secrets import Secret, SecretBox, generate_key
from config.smtp_form import SmtpForm
from config.store import Store
from transports.smtp.settings import Security

KEY: Final = Secret(generate_key(lambda count: b"k" * count))
"""A fixed secret key."""


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


@asynccontextmanager
async def organizations_in(folder: Path, **forms: SmtpForm) -> AsyncIterator[Organizations]:
    """Organisations in a fresh SQLite file, those named in ``forms`` configured; ports are not limited."""
    store = await Store.open(sqlite_url(folder))
    try:
        organizations = Organizations(store, SecretBox([KEY]), ports=range(1, 65_536))
        for organization, form in forms.items():
            await organizations.configure_smtp(organization, form)
        yield organizations
    finally:
        await store.close()
