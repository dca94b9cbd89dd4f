"""Drafts, trials, the history of changes, sessions; and when an organisation's settings were verified."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _actor() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("actor_kind", sa.String(16), nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("actor_email", sa.Text, nullable=False),
    )


def upgrade() -> None:
    """Makes the new tables empty; nobody has verified anything yet."""
    op.add_column("organizations", sa.Column("verified_at", _INSTANT))
    op.create_index("ix_organizations_suspended_code", "organizations", ["suspended_code"])
    op.create_index("ix_organizations_deleted_at", "organizations", ["deleted_at"])
    op.create_table(
        "drafts",
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("port", sa.Integer, nullable=False),
        sa.Column("security", sa.String(16), nullable=False),
        sa.Column("username", sa.Text),
        sa.Column("password_sealed", sa.Text),
        sa.Column("sender_address", sa.Text, nullable=False),
        sa.Column("sender_alias", sa.Text, nullable=False),
        sa.Column("saved_at", _INSTANT, nullable=False),
        *_actor(),
        sa.PrimaryKeyConstraint("organization", name="pk_drafts"),
    )
    op.create_table(
        "trials",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("subject", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("server", sa.Text, nullable=False),
        sa.Column("sender", sa.Text, nullable=False),
        *_actor(),
        sa.Column("throttled", sa.Text, nullable=False),
        sa.Column("began_at", _INSTANT, nullable=False),
        sa.Column("ended_at", _INSTANT),
        sa.Column("stages", sa.JSON, nullable=False),
        sa.Column("version", sa.BigInteger),
        sa.Column("problem", sa.String(64), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("confirmed_at", _INSTANT),
        sa.PrimaryKeyConstraint("number", name="pk_trials"),
        sa.UniqueConstraint("id", name="uq_trials_id"),
    )
    op.create_index("ix_trials_organization", "trials", ["organization", "number"])
    op.create_index("ix_trials_throttled", "trials", ["throttled", "began_at"])
    op.create_table(
        "wrong_codes",
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("since", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("organization", name="pk_wrong_codes"),
    )
    op.create_table(
        "history",
        sa.Column("id", _NUMBER, nullable=False),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        *_actor(),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("fields", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_history"),
    )
    op.create_index("ix_history_organization", "history", ["organization", "id"])
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("language", sa.String(16)),
        sa.Column("csrf", sa.String(64), nullable=False),
        sa.Column("opened_at", _INSTANT, nullable=False),
        sa.Column("seen_at", _INSTANT, nullable=False),
        sa.Column("expires_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
    )
    for column in ("organization", "seen_at", "expires_at"):
        op.create_index(f"ix_sessions_{column}", "sessions", [column])
    op.create_table(
        "used_tokens",
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("forget_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_used_tokens"),
    )
    op.create_index("ix_used_tokens_forget_at", "used_tokens", ["forget_at"])


def downgrade() -> None:
    """Drops what was added, and with it everybody's drafts, trials, history and sessions."""
    # Their indexes go with the tables.
    for table in ("used_tokens", "sessions", "history", "wrong_codes", "trials", "drafts"):
        op.drop_table(table)
    op.drop_index("ix_organizations_deleted_at", "organizations")
    op.drop_index("ix_organizations_suspended_code", "organizations")
    op.drop_column("organizations", "verified_at")
