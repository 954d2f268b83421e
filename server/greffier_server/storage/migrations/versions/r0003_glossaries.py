"""Glossaries of tenants."""

import sqlalchemy as sa
from alembic.operations import Operations

revision = "r0003"
down_revision: str | None = "r0002"


def upgrade(op: Operations) -> None:
    """Add the table of terms."""
    op.create_table(
        "glossary_terms",
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("term", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant", "term", name="pk_glossary_terms"),
    )
