"""Accounts connected at a provider: grants, consents under way, and what settings and drafts say of them."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)
_LIVE = sa.text("state IN ('candidate', 'active')")
_SERVER = (("host", sa.Text()), ("port", sa.Integer()), ("security", sa.String(16)))


def _actor() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("actor_email", sa.Text, nullable=False),
    )


def upgrade() -> None:
    """Makes the new tables empty; no organisation has connected an account yet."""
    op.add_column("organizations", sa.Column("grant_id", sa.String(64)))
    op.add_column("organizations", sa.Column("way", sa.String(16)))
    with op.batch_alter_table("drafts") as drafts:
        drafts.add_column(sa.Column("grant_id", sa.String(64)))
        for name, kind in _SERVER:
            drafts.alter_column(name, existing_type=kind, nullable=True)
    op.create_table(
        "grants",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("way", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("secret_sealed", sa.Text),
        sa.Column("access_sealed", sa.Text),
        sa.Column("access_expires_at", _INSTANT),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("lease_holder", sa.String(128)),
        sa.Column("lease_until", _INSTANT),
        sa.Column("dead_code", sa.String(64)),
        sa.Column("dead_detail", sa.Text, nullable=False),
        sa.Column("dead_at", _INSTANT),
        sa.Column("connected_at", _INSTANT, nullable=False),
        sa.Column("refreshed_at", _INSTANT, nullable=False),
        sa.Column("retired_at", _INSTANT),
        sa.Column("revoke_tries", sa.Integer, nullable=False),
        sa.Column("revoke_at", _INSTANT),
        *_actor(),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
    )
    op.create_index(
        "uq_grants_organization_state",
        "grants",
        ["organization", "state"],
        unique=True,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )
    for name, columns in (
        ("organization", ["organization"]),
        ("subject", ["subject"]),
        ("state", ["state", "refreshed_at"]),
        ("revoke_at", ["revoke_at"]),
    ):
        op.create_index(f"ix_grants_{name}", "grants", columns)
    op.create_table(
        "oauth_flows",
        sa.Column("state_hash", sa.String(64), nullable=False),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("way", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(16), nullable=False),
        sa.Column("session_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("flow_sealed", sa.Text),
        sa.Column("began_at", _INSTANT, nullable=False),
        *_actor(),
        sa.PrimaryKeyConstraint("state_hash", name="pk_oauth_flows"),
    )
    for column in ("organization", "began_at"):
        op.create_index(f"ix_oauth_flows_{column}", "oauth_flows", [column])


def downgrade() -> None:
    """Drops what was added, and with it every connection to a provider.

    Organisations that had one keep their kind and sender: they are not "nothing configured", so their mail is held
    and does not leave by the platform's default.
    """
    op.drop_table("oauth_flows")
    op.drop_table("grants")
    drafts = sa.table("drafts", sa.column("host", sa.Text))
    op.execute(sa.delete(drafts).where(drafts.c.host.is_(None)))
    with op.batch_alter_table("drafts") as batch:
        batch.drop_column("grant_id")
        for name, kind in _SERVER:
            batch.alter_column(name, existing_type=kind, nullable=False)
    op.drop_column("organizations", "way")
    op.drop_column("organizations", "grant_id")
