"""Readers' words of which a report is due, or has been made."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: what readers said before gets no report."""
    op.create_table(
        "reader_reports",
        sa.Column("feedback_id", _Id, sa.ForeignKey("feedback.id"), primary_key=True, autoincrement=False),
        sa.Column("due", sa.Boolean, nullable=False),
        sa.Column("result_id", _Id, sa.ForeignKey("results.id")),
    )
    op.create_index("ix_reader_reports_due", "reader_reports", ["due", "feedback_id"])
