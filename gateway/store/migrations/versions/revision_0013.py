"""Answers name the site that the model is fitted to, and are found by the model that gave them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add a column, empty in every row, and an index."""
    op.add_column("answers", sa.Column("site", sa.Text))
    op.create_index("ix_answers_device", "answers", ["device_uid", "id"])
