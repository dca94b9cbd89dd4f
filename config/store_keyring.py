"""The key of the keyed hash, kept sealed in the database; opening it also proves that the process has the right key.

It is drawn at random when a database is first used and sealed with the current secret key. A rotation seals it anew
without changing it, so hashes written before stay findable. Deleting its row makes every hash in the database
meaningless for good.
"""

import base64
import os
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from config.errors import SecretUnreadable, WrongSecretKey
from config.secrets import KeyedHash, RandomBytes, SecretBox, generate_key
from config.store import Store
from config.store_schema import keyring

HASH_KEY: Final = "hash"
"""The row's name, and the field the sealed value is bound to; it belongs to no organisation."""


async def open_keyring(store: Store, box: SecretBox, *, random: RandomBytes = os.urandom) -> KeyedHash:
    """The keyed hash of this database; its key is made on the first call for a database.

    Raises:
        ConfigurationError: there is no secret key.
        WrongSecretKey: the secret keys are not those of this database.
        StoreUnavailable: the database does not answer.
    """
    box.require()
    sealed = await _sealed(store)
    if sealed is None:
        fresh = box.seal(generate_key(random), "", HASH_KEY)
        insert = postgresql.insert if store.dialect == "postgresql" else sqlite.insert
        statement = insert(keyring).values(name=HASH_KEY, sealed=fresh, made_at=datetime.now(UTC))
        async with store.write() as connection:
            # Of replicas that start together the first one's key stays, and all use it.
            await connection.execute(statement.on_conflict_do_nothing(index_elements=[keyring.c.name]))
        sealed = await _sealed(store)
    return KeyedHash(_opened(str(sealed), box))


async def check_keyring(store: Store, box: SecretBox) -> bool:
    """Whether the key opens this database: false when no key is tied to it yet. Writes nothing.

    Raises like :func:`open_keyring`.
    """
    box.require()
    sealed = await _sealed(store)
    if sealed is None:
        return False
    _opened(sealed, box)
    return True


def _opened(sealed: str, box: SecretBox) -> bytes:
    try:
        key = box.open(sealed, "", HASH_KEY)
    except SecretUnreadable as error:
        advice = "Write the key that was used before, after the current one if there is a new one"
        raise WrongSecretKey([f"MAILROOM_SECRET_KEYS: does not open this database: {error}. {advice}."]) from error
    return base64.urlsafe_b64decode(key + "=")


async def _sealed(store: Store) -> str | None:
    async with store.read() as connection:
        found = await connection.scalar(select(keyring.c.sealed).where(keyring.c.name == HASH_KEY))
    return None if found is None else str(found)
