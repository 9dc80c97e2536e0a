"""Images lose the column `deaths`: a sandbox that ends names its image at once, nothing counts any more."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Drop a column; no row changes."""
    op.execute("ALTER TABLE instances DROP COLUMN deaths")
