"""The sweep of orphans finds images by the paths of their files."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Create the index."""
    kept = sa.text("file_deleted_at IS NULL")
    op.create_index("ix_instances_path", "instances", ["path"], sqlite_where=kept, postgresql_where=kept)
