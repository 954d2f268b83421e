"""Sessions, their events, and jobs."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "r0001"
down_revision: str | None = None


def upgrade(op: Operations) -> None:
    """Create the three tables."""
    op.create_table(
        "sessions",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("translate_to", sa.Text, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("last_seq", sa.BigInteger, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("tenant", "session", name="pk_sessions"),
    )
    op.create_index("ix_sessions_tenant_created", "sessions", ["tenant", "created_at_ms"])
    op.create_index("ix_sessions_state_expires", "sessions", ["state", "expires_at_ms"])
    op.create_table(
        "events",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("audio_from_ms", sa.BigInteger, nullable=False),
        sa.Column("audio_to_ms", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "session", "seq", name="pk_events"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_events_session",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "jobs",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("run_after_ms", sa.BigInteger, nullable=False),
        sa.Column("leased_until_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("kind", "tenant", "session", name="uq_jobs_kind_session"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_jobs_session",
            ondelete="CASCADE",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_jobs_session", "jobs", ["tenant", "session"])
