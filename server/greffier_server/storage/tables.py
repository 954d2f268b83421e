"""The tables as they are now; `migrations/` says how a database gets there."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "audio_blocks",
    "audio_objects",
    "audio_recordings",
    "dead_letters",
    "deliveries",
    "events",
    "feedback",
    "glossary_terms",
    "jobs",
    "metadata",
    "nodes",
    "search_passages",
    "search_progress",
    "sessions",
    "tenant_keys",
    "usage_days",
    "viewer_links",
    "web_secrets",
]

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
    Column("owner", Text),  # the node that may write to it; NULL: nobody's
    Column("epoch", BigInteger, nullable=False, server_default="0"),  # counts its owners
    Column("wanted_by", Text),  # a node that asks the owner to let go
    PrimaryKeyConstraint("tenant", "session", name="pk_sessions"),
    Index("ix_sessions_tenant_created", "tenant", "created_at_ms"),
    Index("ix_sessions_state_expires", "state", "expires_at_ms"),
    Index("ix_sessions_owner_state", "owner", "state"),
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

nodes = Table(
    "nodes",
    metadata,
    Column("node", Text, nullable=False),
    Column("lease_until_ms", BigInteger, nullable=False),  # by the database's clock
    PrimaryKeyConstraint("node", name="pk_nodes"),
)

audio_recordings = Table(
    "audio_recordings",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("sealed", Integer, nullable=False),  # 1: complete; 2: and wholly in objects
    PrimaryKeyConstraint("tenant", "session", name="pk_audio_recordings"),
    Index("ix_audio_recordings_sealed", "sealed"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_audio_recordings_session",
        ondelete="CASCADE",
    ),
)

audio_blocks = Table(
    "audio_blocks",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("from_byte", BigInteger, nullable=False),
    Column("to_byte", BigInteger, nullable=False),
    Column("checksum", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("key", Text),  # id of the tenant's key; NULL: in the clear
    Column("at_ms", BigInteger),  # when it was stored, by the database's clock
    PrimaryKeyConstraint("tenant", "session", "from_byte", name="pk_audio_blocks"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["audio_recordings.tenant", "audio_recordings.session"],
        name="fk_audio_blocks_recording",
        ondelete="CASCADE",
    ),
)

audio_objects = Table(  # outlives its session until the object is gone: no foreign key
    "audio_objects",
    metadata,
    Column("name", Text, nullable=False),  # in the bucket
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("from_byte", BigInteger, nullable=False),
    Column("to_byte", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the object
    Column("state", Text, nullable=False),  # writing, stored, abandoned or deleting
    Column("since_ms", BigInteger, nullable=False),  # in this state, by the database's clock
    PrimaryKeyConstraint("name", name="pk_audio_objects"),
    Index("ix_audio_objects_session", "tenant", "session", "from_byte"),
    Index("ix_audio_objects_state", "state", "since_ms"),
)

glossary_terms = Table(  # of the tenant; a session's own are in its first event
    "glossary_terms",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("term", Text, nullable=False),  # SHA-256 over spelling and language
    Column("body", Text, nullable=False),  # JSON, encrypted where words are
    PrimaryKeyConstraint("tenant", "term", name="pk_glossary_terms"),
)

search_passages = Table(  # the index over `terms` is in the migration: each database has its own
    "search_passages",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), autoincrement=True, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("kind", Text, nullable=False),  # title, speech, translation or minutes
    Column("language", Text, nullable=False),
    Column("segment", BigInteger, nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    Column("terms", Text, nullable=False),  # folded; blinded where texts are encrypted
    PrimaryKeyConstraint("id", name="pk_search_passages"),
    UniqueConstraint(
        "tenant", "session", "kind", "language", "segment", name="uq_search_passages_place"
    ),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_search_passages_session",
        ondelete="CASCADE",
    ),
)

search_progress = Table(
    "search_progress",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),  # indexed up to this event
    Column("duration_ms", BigInteger, nullable=False),  # counted in `usage_days`, as what follows
    Column("words", BigInteger, nullable=False),
    Column("corrections", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "session", name="pk_search_progress"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_search_progress_session",
        ondelete="CASCADE",
    ),
)

usage_days = Table(  # sums that name no session: they outlive deletion
    "usage_days",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("day", Text, nullable=False),  # UTC, ISO 8601
    Column("language", Text, nullable=False),
    Column("sessions", BigInteger, nullable=False),
    Column("duration_ms", BigInteger, nullable=False),
    Column("words", BigInteger, nullable=False),
    Column("corrections", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "day", "language", name="pk_usage_days"),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("rating", Integer, nullable=False),  # 1 to 5
    Column("comment", Text, nullable=False),
    PrimaryKeyConstraint("id", name="pk_feedback"),
    Index("ix_feedback_tenant", "tenant", "at_ms"),
)

viewer_links = Table(
    "viewer_links",
    metadata,
    Column("id", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("digest", Text, nullable=False),  # SHA-256 of the secret in the link's address
    Column("languages", Text),  # JSON list of language codes; NULL: every one
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("revoked_at_ms", BigInteger),
    PrimaryKeyConstraint("id", name="pk_viewer_links"),
    UniqueConstraint("digest", name="uq_viewer_links_digest"),
    Index("ix_viewer_links_session", "tenant", "session", "created_at_ms"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_viewer_links_session",
        ondelete="CASCADE",
    ),
)

web_secrets = Table(
    "web_secrets",
    metadata,
    Column("name", Text, nullable=False),
    Column("value", Text, nullable=False),  # hexadecimal
    PrimaryKeyConstraint("name", name="pk_web_secrets"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("outlet", Text, nullable=False),  # its name in the settings
    Column("seq", BigInteger, nullable=False),  # the last event that was told
    Column("state", Text, nullable=False),  # open, done, halted or gone
    Column("attempts", Integer, nullable=False),  # failures in a row
    Column("run_after_ms", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),  # of the last failure
    Column("holder", Text),  # the node that tells, or told last
    Column("leased_until_ms", BigInteger),
    PrimaryKeyConstraint("tenant", "session", "outlet", name="pk_deliveries"),
    Index("ix_deliveries_state_run_after", "state", "run_after_ms"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_deliveries_session",
        ondelete="CASCADE",
    ),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("outlet", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),  # an event that the outlet did not want
    Column("cause", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    PrimaryKeyConstraint("tenant", "session", "outlet", "seq", name="pk_dead_letters"),
    ForeignKeyConstraint(
        ["tenant", "session"],
        ["sessions.tenant", "sessions.session"],
        name="fk_dead_letters_session",
        ondelete="CASCADE",
    ),
)

tenant_keys = Table(  # of servers that share their audio; else they lie in a folder
    "tenant_keys",
    metadata,
    Column("tenant", Text, nullable=False),
    Column("id", Text, nullable=False),  # hexadecimal
    Column("body", Text, nullable=False),  # as a file of the folder holds it: wrapped
    PrimaryKeyConstraint("tenant", "id", name="pk_tenant_keys"),
)
