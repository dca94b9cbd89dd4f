"""Organisations, the counter of changes, the quarantine and the keyring."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes the tables, and the counter's only row."""
    op.create_table(
        "organizations",
        sa.Column("organization", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(32)),
        sa.Column("host", sa.String(253)),
        sa.Column("port", sa.Integer),
        sa.Column("security", sa.String(16)),
        sa.Column("username", sa.Text),
        sa.Column("password_sealed", sa.Text),
        sa.Column("sender_address", sa.Text),
        sa.Column("sender_alias", sa.Text),
        sa.Column("limits", sa.JSON),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
        sa.Column("enabled_at", _INSTANT),
        sa.Column("deleted_at", _INSTANT),
        sa.Column("suspended_code", sa.String(64)),
        sa.Column("suspended_at", _INSTANT),
        sa.Column("retry_at", _INSTANT),
        sa.PrimaryKeyConstraint("organization", name="pk_organizations"),
    )
    op.create_index("ix_organizations_changed", "organizations", ["changed"])
    counter = op.create_table(
        "settings_version",
        sa.Column("id", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_settings_version_single_row")),
        sa.PrimaryKeyConstraint("id", name="pk_settings_version"),
    )
    op.bulk_insert(counter, [{"id": 1, "version": 0}])
    op.create_table(
        "quarantine",
        sa.Column("key", sa.LargeBinary(64), nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_at", "quarantine", ["at"])
    op.create_table(
        "keyring",
        sa.Column("name", sa.String(32), nullable=False),
        sa.Column("sealed", sa.Text, nullable=False),
        sa.Column("made_at", _INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_keyring"),
    )


def downgrade() -> None:
    """Drops them all."""
    op.drop_table("keyring")
    op.drop_index("ix_quarantine_at", "quarantine")
    op.drop_table("quarantine")
    op.drop_table("settings_version")
    op.drop_index("ix_organizations_changed", "organizations")
    op.drop_table("organizations")
