"""The account of events, what is remembered of lanes, and open breakers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

_INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Makes the tables empty: nothing is known of events that are under way, and they are sent."""
    op.create_table(
        "ledger",
        sa.Column("key", sa.LargeBinary(16), nullable=False),
        sa.Column("state", sa.SmallInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("hour", sa.Integer, nullable=False),
        sa.Column("owed", sa.Text),
        sa.Column("reason", sa.String(64)),
        sa.Column("copy", sa.LargeBinary(8), nullable=False),
        sa.Column("mark", sa.LargeBinary(8), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_ledger"),
        postgresql_with={"fillfactor": 60},
    )
    op.create_index("ix_ledger_hour", "ledger", ["hour"])
    op.create_table(
        "lanes",
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("memory", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_lanes"),
    )
    op.create_index("ix_lanes_at", "lanes", ["at"])
    op.create_table(
        "breakers",
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("reason", sa.String(64), nullable=False),
        sa.Column("opened_at", _INSTANT, nullable=False),
        sa.Column("retry_at", _INSTANT, nullable=False),
        sa.Column("pause", sa.Double, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("claimed_by", sa.String(128)),
        sa.PrimaryKeyConstraint("key", name="pk_breakers"),
    )


def downgrade() -> None:
    """Drops them: what was handed off and what is owed is forgotten."""
    op.drop_table("breakers")
    op.drop_index("ix_lanes_at", "lanes")
    op.drop_table("lanes")
    op.drop_index("ix_ledger_hour", "ledger")
    op.drop_table("ledger")
