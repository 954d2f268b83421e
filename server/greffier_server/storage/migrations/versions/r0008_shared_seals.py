"""Keys of tenants that servers share, and under which key and since when a block of audio lies."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "r0008"
down_revision: str | None = "r0006"


def upgrade(op: Operations) -> None:
    """Add the table of wrapped keys, and two columns to blocks of audio."""
    op.create_table(
        "tenant_keys",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_tenant_keys"),
    )
    op.add_column("audio_blocks", sa.Column("key", sa.Text))
    op.add_column("audio_blocks", sa.Column("at_ms", sa.BigInteger))
