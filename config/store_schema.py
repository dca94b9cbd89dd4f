"""The tables, as SQLAlchemy Core knows them; the migrations make them, and a test holds the two together."""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from config.store_columns import NUMBER, Instant, actor_columns, metadata
from config.store_schema_grants import grants, oauth_flows
from config.store_schema_ledger import breakers, lanes, ledger

__all__ = [
    "COUNTER_ROW",
    "breakers",
    "drafts",
    "grants",
    "history",
    "keyring",
    "lanes",
    "ledger",
    "metadata",
    "oauth_flows",
    "organizations",
    "quarantine",
    "sessions",
    "settings_version",
    "trials",
    "used_tokens",
    "wrong_codes",
]

COUNTER_ROW: Final = 1

organizations: Final = Table(
    "organizations",
    metadata,
    Column("organization", String(128), primary_key=True),
    # NULL: nothing is configured (any more); the row tells caches so.
    Column("kind", String(32)),
    Column("host", String(253)),
    Column("port", Integer),
    Column("security", String(16)),
    Column("username", Text),
    Column("password_sealed", Text),
    Column("sender_address", Text),
    Column("sender_alias", Text),
    Column("limits", JSON(none_as_null=True)),
    # The counter at the last change of the settings, and at the last change of anything in the row.
    Column("version", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("enabled_at", Instant),
    Column("deleted_at", Instant),
    Column("suspended_code", String(64)),
    Column("suspended_at", Instant),
    Column("retry_at", Instant),
    # When somebody confirmed that a test mail of these settings arrived.
    Column("verified_at", Instant),
    # The connected account, and how mail leaves with it; both empty for a server of their own.
    Column("grant_id", String(64)),
    Column("way", String(16)),
    Index(None, "changed"),
    # Both columns are empty in nearly every row; the few others are asked for every few seconds, or at every change.
    Index(None, "suspended_code"),
    Index(None, "deleted_at"),
)

settings_version: Final = Table(
    "settings_version",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="single_row"),
)

quarantine: Final = Table(
    "quarantine",
    metadata,
    Column("key", LargeBinary(64), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("at", Instant, nullable=False),
    Index(None, "at"),
)

keyring: Final = Table(
    "keyring",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("sealed", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
)

drafts: Final = Table(
    "drafts",
    metadata,
    Column("organization", String(128), primary_key=True),
    Column("kind", String(32), nullable=False),
    # As somebody typed it, so of any length; the server is NULL where an account is connected, and the grant elsewhere.
    Column("host", Text),
    Column("port", Integer),
    Column("security", String(16)),
    Column("username", Text),
    Column("password_sealed", Text),
    Column("sender_address", Text, nullable=False),
    Column("sender_alias", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
    *actor_columns(),
    Column("grant_id", String(64)),
)

trials: Final = Table(
    "trials",
    metadata,
    Column("number", NUMBER, primary_key=True),
    Column("id", String(64), nullable=False),
    Column("organization", String(128), nullable=False),
    Column("subject", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("server", Text, nullable=False),
    Column("sender", Text, nullable=False),
    *actor_columns(),
    # The administrator the throttle counts: the e-mail case-folded; empty for an operator.
    Column("throttled", Text, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("ended_at", Instant),
    Column("stages", JSON, nullable=False),
    Column("version", BigInteger),
    Column("problem", String(64), nullable=False),
    Column("code_hash", LargeBinary(32), nullable=False),
    Column("confirmed_at", Instant),
    UniqueConstraint("id"),
    Index(None, "organization", "number"),
    Index(None, "throttled", "began_at"),
)

wrong_codes: Final = Table(
    "wrong_codes",
    metadata,
    Column("organization", String(128), primary_key=True),
    Column("tries", Integer, nullable=False),
    Column("since", Instant, nullable=False),
)

history: Final = Table(
    "history",
    metadata,
    Column("id", NUMBER, primary_key=True),
    Column("organization", String(128), nullable=False),
    Column("at", Instant, nullable=False),
    *actor_columns(),
    Column("action", String(32), nullable=False),
    # A list of [field, old, new]; of a secret both are null.
    Column("fields", JSON, nullable=False),
    Index(None, "organization", "id"),
)

sessions: Final = Table(
    "sessions",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("organization", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("language", String(16)),
    Column("csrf", String(64), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "organization"),
    Index(None, "seen_at"),
    Index(None, "expires_at"),
)

used_tokens: Final = Table(
    "used_tokens",
    metadata,
    Column("token_hash", LargeBinary(32), primary_key=True),
    Column("forget_at", Instant, nullable=False),
    Index(None, "forget_at"),
)
