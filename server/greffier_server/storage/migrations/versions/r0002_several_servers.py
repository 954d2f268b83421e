"""Several servers on one database: who owns a session, and audio that all of them can read."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "r0002"
down_revision: str | None = "r0001"


def upgrade(op: Operations) -> None:
    """Add owners to sessions, and the tables of nodes and audio."""
    op.add_column("sessions", sa.Column("owner", sa.Text))
    op.add_column("sessions", sa.Column("epoch", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("sessions", sa.Column("wanted_by", sa.Text))
    op.create_index("ix_sessions_owner_state", "sessions", ["owner", "state"])
    op.create_table(
        "nodes",
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("lease_until_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("node", name="pk_nodes"),
    )
    op.create_table(
        "audio_recordings",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("sealed", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "session", name="pk_audio_recordings"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["sessions.tenant", "sessions.session"],
            name="fk_audio_recordings_session",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_audio_recordings_sealed", "audio_recordings", ["sealed"])
    op.create_table(
        "audio_blocks",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("from_byte", sa.BigInteger, nullable=False),
        sa.Column("to_byte", sa.BigInteger, nullable=False),
        sa.Column("checksum", sa.BigInteger, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "session", "from_byte", name="pk_audio_blocks"),
        sa.ForeignKeyConstraint(
            ["tenant", "session"],
            ["audio_recordings.tenant", "audio_recordings.session"],
            name="fk_audio_blocks_recording",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "audio_objects",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("session", sa.Text, nullable=False),
        sa.Column("from_byte", sa.BigInteger, nullable=False),
        sa.Column("to_byte", sa.BigInteger, nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("since_ms", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_audio_objects"),
    )
    op.create_index("ix_audio_objects_session", "audio_objects", ["tenant", "session", "from_byte"])
    op.create_index("ix_audio_objects_state", "audio_objects", ["state", "since_ms"])
    if op.get_bind().dialect.name == "postgresql":
        # Audio does not compress; without this PostgreSQL tries to, with each block.
        op.execute("ALTER TABLE audio_blocks ALTER COLUMN body SET STORAGE EXTERNAL")
