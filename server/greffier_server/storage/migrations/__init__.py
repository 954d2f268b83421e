"""Schema revisions (Alembic). Append-only: a published one is never edited."""
