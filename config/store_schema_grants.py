"""The tables of connected accounts: grants, and consents under way. Part of :mod:`config.store_schema`."""

from typing import Final

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, text

from config.store_columns import Instant, actor_columns, metadata

_LIVE: Final = text("state IN ('candidate', 'active')")

grants: Final = Table(
    "grants",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("organization", String(128), nullable=False),
    Column("provider", String(16), nullable=False),
    Column("method", String(16), nullable=False),
    Column("way", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("subject", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    # The refresh token, or the app's credentials as JSON.
    Column("secret_sealed", Text),
    Column("access_sealed", Text),
    Column("access_expires_at", Instant),
    # Counts the secrets, one with each token set that is kept.
    Column("version", BigInteger, nullable=False),
    Column("lease_holder", String(128)),
    Column("lease_until", Instant),
    Column("dead_code", String(64)),
    Column("dead_detail", Text, nullable=False),
    Column("dead_at", Instant),
    Column("connected_at", Instant, nullable=False),
    Column("refreshed_at", Instant, nullable=False),
    Column("retired_at", Instant),
    Column("revoke_tries", Integer, nullable=False),
    Column("revoke_at", Instant),
    *actor_columns(),
    # An organisation has at most one of each.
    Index(
        "uq_grants_organization_state",
        "organization",
        "state",
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    ),
    # All of an organisation's, also those that are to be revoked.
    Index(None, "organization"),
    Index(None, "subject"),
    Index(None, "state", "refreshed_at"),
    Index(None, "revoke_at"),
)

oauth_flows: Final = Table(
    "oauth_flows",
    metadata,
    # SHA-256 of the state, in hexadecimal.
    Column("state_hash", String(64), primary_key=True),
    Column("organization", String(128), nullable=False),
    Column("provider", String(16), nullable=False),
    Column("way", String(16), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("session_hash", LargeBinary(32), nullable=False),
    Column("flow_sealed", Text),
    Column("began_at", Instant, nullable=False),
    *actor_columns(),
    Index(None, "organization"),
    Index(None, "began_at"),
)
