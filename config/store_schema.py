"""The tables, as SQLAlchemy Core knows them; the migrations make them, and a test holds the two together."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

COUNTER_ROW: Final = 1

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)


# SQLite numbers rows by itself only in a column of exactly this type.
_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite has no time zones and would give it back naive."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _actor() -> tuple[Column[str], ...]:
    return (
        Column("actor_kind", String(16), nullable=False),
        Column("actor_name", Text, nullable=False),
        Column("actor_email", Text, nullable=False),
    )


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
    # As somebody typed it, so of any length.
    Column("host", Text, nullable=False),
    Column("port", Integer, nullable=False),
    Column("security", String(16), nullable=False),
    Column("username", Text),
    Column("password_sealed", Text),
    Column("sender_address", Text, nullable=False),
    Column("sender_alias", Text, nullable=False),
    Column("saved_at", Instant, nullable=False),
    *_actor(),
)

trials: Final = Table(
    "trials",
    metadata,
    Column("number", _NUMBER, primary_key=True),
    Column("id", String(64), nullable=False),
    Column("organization", String(128), nullable=False),
    Column("subject", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("server", Text, nullable=False),
    Column("sender", Text, nullable=False),
    *_actor(),
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
    Column("id", _NUMBER, primary_key=True),
    Column("organization", String(128), nullable=False),
    Column("at", Instant, nullable=False),
    *_actor(),
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
