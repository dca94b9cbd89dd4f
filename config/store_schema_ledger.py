"""The tables of the account of events, of lanes and of breakers. Part of :mod:`config.store_schema`."""

from typing import Final

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, SmallInteger, String, Table, Text

from config.store_columns import Instant, metadata
from config.store_ledger_rows import KEY_BYTES, LANE_LENGTH, MARK_BYTES, REASON_LENGTH

ledger: Final = Table(
    "ledger",
    metadata,
    # A keyed hash: nothing here says whose event it is, or what is in it.
    Column("key", LargeBinary(KEY_BYTES), primary_key=True),
    Column("state", SmallInteger, nullable=False),
    # By the database's clock: milliseconds since 1970 at which the state was written, and hours of its last start.
    # Only the hours are indexed: they stay when a send ends, so that this update costs PostgreSQL no index entry.
    Column("at", BigInteger, nullable=False),
    Column("hour", Integer, nullable=False),
    # Positions of the recipients that are owed, with commas.
    Column("owed", Text),
    Column("reason", String(REASON_LENGTH)),
    # Which copy of the message wrote the state, and which start was the last one.
    Column("copy", LargeBinary(MARK_BYTES), nullable=False),
    Column("mark", LargeBinary(MARK_BYTES), nullable=False),
    Index(None, "hour"),
    # Room for the one update that nearly every row gets, in its own page.
    postgresql_with={"fillfactor": 60},
)

lanes: Final = Table(
    "lanes",
    metadata,
    Column("key", String(LANE_LENGTH), primary_key=True),
    Column("memory", LargeBinary, nullable=False),
    # Milliseconds since 1970, by the database's clock.
    Column("at", BigInteger, nullable=False),
    Index(None, "at"),
)

breakers: Final = Table(
    "breakers",
    metadata,
    # What is broken: "account:…", "endpoint:…" or "platform:…".
    Column("key", String(300), primary_key=True),
    Column("reason", String(64), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("retry_at", Instant, nullable=False),
    # Seconds from one probe to the next.
    Column("pause", Double, nullable=False),
    Column("failures", Integer, nullable=False),
    # The process that probes now.
    Column("claimed_by", String(128)),
)
