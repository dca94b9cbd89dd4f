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
)

COUNTER_ROW: Final = 1

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


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
    Index(None, "changed"),
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
