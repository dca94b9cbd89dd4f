"""A store full of organisations, written in bulk: settings with a sealed password, a test, some drafts, a history."""

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import insert, update

from config.organizations_rows import SMTP_PASSWORD
from config.secrets import SecretBox
from config.store import Store
from config.store_schema import COUNTER_ROW, drafts, history, organizations, settings_version, trials

BATCH: Final = 2_000
PASSWORD: Final = "a password like any other"
CHANGES: Final = 3
"""How many changes the history of an organisation has."""


def name(number: int) -> str:
    """The id of the n-th organisation."""
    return f"organization-{number:06d}"


async def fill(store: Store, box: SecretBox, count: int, now: datetime) -> None:
    """Writes ``count`` organisations with SMTP settings, a test and a history each; the store has none before."""
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        async with store.write() as connection:
            await connection.execute(insert(organizations), [_settings(box, number, now) for number in numbers])
            await connection.execute(insert(history), [row for number in numbers for row in _changes(number, now)])
            await connection.execute(insert(trials), [_trial(number, now) for number in numbers])
            some = [_draft(number, now) for number in numbers if number % 20 == 0]
            await connection.execute(insert(drafts), some)
    async with store.write() as connection:
        counter = update(settings_version).where(settings_version.c.id == COUNTER_ROW)
        await connection.execute(counter.values(version=count))


def _settings(box: SecretBox, number: int, now: datetime) -> dict[str, Any]:
    organization, trouble = name(number), number % 50 == 0
    return {
        "organization": organization,
        "kind": "smtp",
        **_account(number),
        "password_sealed": box.seal(PASSWORD, organization, SMTP_PASSWORD),
        "version": number + 1,
        "changed": number + 1,
        "enabled_at": now - timedelta(days=number % 365),
        "verified_at": now if number % 2 else None,
        "suspended_code": "sign_in_refused" if trouble else None,
        "suspended_at": now if trouble else None,
    }


def _account(number: int) -> dict[str, Any]:
    return {
        "host": f"smtp.customer-{number}.internal",
        "port": 587,
        "security": "starttls",
        "username": f"notifications@customer-{number}.internal",
        "sender_address": f"notifications@customer-{number}.internal",
        "sender_alias": f"Customer {number}",
    }


def _actor(number: int) -> dict[str, str]:
    return {"actor_kind": "administrator", "actor_name": "Ada", "actor_email": f"ada@customer-{number}.internal"}


def _changes(number: int, now: datetime) -> Iterator[dict[str, Any]]:
    for change in range(CHANGES):
        fields = [
            ["port", str(25 + change), "587"],
            ["sender_alias", "Old", f"Customer {number}"],
            ["password", None, None],
        ]
        at = now - timedelta(days=CHANGES - change)
        yield {"organization": name(number), "at": at, **_actor(number), "action": "configured", "fields": fields}


def _trial(number: int, now: datetime) -> dict[str, Any]:
    stages: list[dict[str, Any]] = [
        {"name": stage, "ok": True, "seconds": 0.1, "code": None, "detail": "", "facts": []}
        for stage in ("address", "connect", "tls", "sign_in", "sender", "test_mail")
    ]
    return {
        "id": f"trial-{number:06d}",
        "organization": name(number),
        "subject": "candidate",
        "state": "passed",
        "kind": "smtp",
        "server": f"smtp.customer-{number}.internal:587",
        "sender": f"notifications@customer-{number}.internal",
        **_actor(number),
        "throttled": f"ada@customer-{number}.internal",
        "began_at": now - timedelta(hours=2),
        "ended_at": now - timedelta(hours=2),
        "stages": stages,
        "version": number + 1,
        "problem": "",
        "code_hash": hashlib.sha256(f"code {number}".encode()).digest(),
    }


def _draft(number: int, now: datetime) -> dict[str, Any]:
    return {"organization": name(number), "kind": "smtp", **_account(number), "saved_at": now, **_actor(number)}
