"""Sealing every stored secret anew with the current key: row by row, so it can stop anywhere and be run again.

A row that already has the current key is passed over. Nobody else has to stop: with both keys in
``MAILROOM_SECRET_KEYS`` every row can be read at any time, and what a row says does not change, so no version does
either. A row that is changed meanwhile by somebody else is left to them: what they write has the current key.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Table, literal, select, update

from config.errors import SecretUnreadable
from config.grants_rows import ACCESS, SECRET
from config.grants_rows import field_of as grant_field
from config.oauth.flows import field_of as flow_field
from config.organizations_rows import DRAFT_PASSWORD, SMTP_PASSWORD
from config.secrets import SecretBox
from config.store import Store
from config.store_keyring import HASH_KEY
from config.store_schema import drafts, grants, keyring, oauth_flows, organizations

_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation found: rows sealed anew, rows that had the current key, and ids that no key opens."""

    sealed_anew: int
    current: int
    unreadable: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A column of sealed values: ``field`` says what a row's is bound to, ``organization`` is the other part of it."""

    table: Table
    key: Column[str]
    organization: Column[str] | None
    column: Column[str | None]
    field: Callable[[str], str]


def _sealed(
    table: Table, key: str, organization: str | None, column: str, field: str | Callable[[str], str]
) -> _Sealed:
    owner = None if organization is None else table.c[organization]
    return _Sealed(table, table.c[key], owner, table.c[column], field if callable(field) else lambda _: field)


_SEALED: Final = (
    _sealed(organizations, "organization", "organization", "password_sealed", SMTP_PASSWORD),
    _sealed(drafts, "organization", "organization", "password_sealed", DRAFT_PASSWORD),
    _sealed(grants, "id", "organization", "secret_sealed", lambda key: grant_field(key, SECRET)),
    _sealed(grants, "id", "organization", "access_sealed", lambda key: grant_field(key, ACCESS)),
    _sealed(oauth_flows, "state_hash", "organization", "flow_sealed", flow_field),
    _sealed(keyring, "name", None, "sealed", HASH_KEY),
)
"""The keyring's belong to no organisation."""


async def rotate(store: Store, box: SecretBox, *, on_row: Callable[[], None] = lambda: None) -> Rotation:
    """Seals what is not sealed with the first key of ``box``; ``on_row`` is called for each row looked at.

    Raises:
        ConfigurationError: there is no key.
        StoreUnavailable: it stopped there; run it again.
    """
    box.require()
    sealed_anew = current = 0
    unreadable: list[str] = []
    for where in _SEALED:
        after = ""
        while rows := await _page(store, where, after):
            for key, organization, token in rows:
                on_row()
                try:
                    if box.is_current(token):
                        current += 1
                        continue
                    plain = box.open(token, organization, where.field(key))
                except SecretUnreadable:
                    unreadable.append(key)
                    continue
                fresh = box.seal(plain, organization, where.field(key))
                await _replace(store, where, key, token, fresh=fresh)
                sealed_anew += 1
            after = rows[-1][0]
    return Rotation(sealed_anew, current, tuple(unreadable))


async def _page(store: Store, where: _Sealed, after: str) -> list[tuple[str, str, str]]:
    organization = literal("") if where.organization is None else where.organization
    query = select(where.key, organization, where.column).where(where.column.is_not(None), where.key > after)
    async with store.read() as connection:
        rows = await connection.execute(query.order_by(where.key).limit(_PAGE))
        return [(str(key), str(of), str(token)) for key, of, token in rows]


async def _replace(store: Store, where: _Sealed, key: str, token: str, *, fresh: str) -> None:
    """Writes the new token, unless somebody else has changed the row since the old one was read."""
    statement = update(where.table).where(where.key == key, where.column == token)
    async with store.write() as connection:
        await connection.execute(statement.values({where.column: fresh}))
