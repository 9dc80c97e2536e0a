"""Workers have one name: table `workers`, and `worker_id` there and in `deliveries`."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Rename a table and two columns; indexes follow, and no row changes."""
    op.rename_table("executors", "workers")
    op.execute("ALTER TABLE workers RENAME COLUMN executor_id TO worker_id")
    op.execute("ALTER TABLE deliveries RENAME COLUMN held_by TO worker_id")
