"""Search over all text, how far it is indexed, figures of use, and what people say of the service.

The index itself is FTS5 in SQLite (https://www.sqlite.org/fts5.html), kept by triggers so that a
deletion that cascades takes its terms along, and an index over a text search vector in PostgreSQL.
"""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "r0005"
down_revision: str | None = "r0004"

_SQLITE = (
    """CREATE VIRTUAL TABLE search_terms USING fts5(
        terms, content='search_passages', content_rowid='id', tokenize='unicode61')""",
    """CREATE TRIGGER search_passages_added AFTER INSERT ON search_passages BEGIN
        INSERT INTO search_terms(rowid, terms) VALUES (new.id, new.terms);
    END""",
    """CREATE TRIGGER search_passages_deleted AFTER DELETE ON search_passages BEGIN
        INSERT INTO search_terms(search_terms, rowid, terms) VALUES ('delete', old.id, old.terms);
    END""",
    """CREATE TRIGGER search_passages_changed AFTER UPDATE OF terms ON search_passages BEGIN
        INSERT INTO search_terms(search_terms, rowid, terms) VALUES ('delete', old.id, old.terms);
        INSERT INTO search_terms(rowid, terms) VALUES (new.id, new.terms);
    END""",
)
_POSTGRESQL = """CREATE INDEX search_terms ON search_passages
    USING gin (to_tsvector('simple'::regconfig, terms))"""


def upgrade(op: Operations) -> None:
    """Add the tables; sessions of before are indexed by and by."""
    op.create_table(
        "search_passages",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("segment", sa.BigInteger, nullable=False),
        sa.Column("start_ms", sa.BigInteger, nullable=False),
        sa.Column("end_ms", sa.BigInteger, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("terms", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_passages"),
        sa.UniqueConstraint(
            "tenant", "session", "kind", "language", "segment", name="uq_search_passages_place"
        ),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_search_passages_session",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "search_progress",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("words", sa.BigInteger, nullable=False),
        sa.Column("corrections", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "session", name="pk_search_progress"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_search_progress_session",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "usage_days",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("language", sa.Text, nullable=False),
        sa.Column("sessions", sa.BigInteger, nullable=False),
        sa.Column("duration_ms", sa.BigInteger, nullable=False),
        sa.Column("words", sa.BigInteger, nullable=False),
        sa.Column("corrections", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "day", "language", name="pk_usage_days"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("rating", sa.Integer, nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
    )
    op.create_index("ix_feedback_tenant", "feedback", ["tenant", "at_ms"])
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else (_POSTGRESQL,):
        op.execute(statement)
