"""Links by which people without a token watch a session, and the secret of browsers' cookies."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "r0004"
down_revision: str | None = "r0002"


def upgrade(op: Operations) -> None:
    """Add the tables."""
    op.create_table(
        "viewer_links",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("languages", sa.Text),
        sa.Column("created_at_ms", sa.BigInteger, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger, nullable=False),
        sa.Column("revoked_at_ms", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_viewer_links"),
        sa.UniqueConstraint("digest", name="uq_viewer_links_digest"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_viewer_links_session",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "ix_viewer_links_session", "viewer_links", ["tenant", "session", "created_at_ms"]
    )
    op.create_table(
        "web_secrets",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_web_secrets"),
    )
