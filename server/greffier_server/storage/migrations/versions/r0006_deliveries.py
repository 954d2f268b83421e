"""How far outlets were told of sessions, and what they did not want."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "r0006"
down_revision: str | None = "r0005"


def upgrade(op: Operations) -> None:
    """Add the tables of deliveries."""
    op.create_table(
        "deliveries",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("outlet", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("run_after_ms", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("leased_until_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("tenant", "session", "outlet", name="pk_deliveries"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_deliveries_session",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_deliveries_state_run_after", "deliveries", ["state", "run_after_ms"])
    op.create_table(
        "dead_letters",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("outlet", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "session", "outlet", "seq", name="pk_dead_letters"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_dead_letters_session",
            ondelete="CASCADE",
        ),
    )
