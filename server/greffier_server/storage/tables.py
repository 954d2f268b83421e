"""The tables as they are now; `migrations/` says how a database gets there."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = ["events", "jobs", "metadata", "sessions"]

metadata = MetaData()

sessions = Table(
    "sessions",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("translate_to", Text, nullable=False),  # JSON list of language codes
    Column("duration_ms", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("token_hash", Text, nullable=False),
    Column("expires_at_ms", BigInteger),
    PrimaryKeyConstraint("tenant", "session", name="pk_sessions"),
    Index("ix_sessions_tenant_created", "tenant", "created_at_ms"),
    Index("ix_sessions_state_expires", "state", "expires_at_ms"),
)

events = Table(
    "events",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("audio_from_ms", BigInteger, nullable=False),
    Column("audio_to_ms", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),  # the canonical JSON that the hash chain is over
    PrimaryKeyConstraint("tenant", "session", "seq", name="pk_events"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_events_session",
        ondelete="CASCADE",
    ),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("kind", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("run_after_ms", BigInteger, nullable=False),
    Column("leased_until_ms", BigInteger),
    PrimaryKeyConstraint("id", name="pk_jobs"),
    UniqueConstraint("kind", "tenant", "session", name="uq_jobs_kind_session"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_jobs_session",
        ondelete="CASCADE",
    ),
    sqlite_autoincrement=True,  # an id is never given twice, so that a stale claim finds nothing
)
Index("ix_jobs_session", jobs.c.tenant, jobs.c.session)
