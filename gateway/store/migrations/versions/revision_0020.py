"""Which images are of one patient, by keyed hashes: priors of a report."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: images that were answered before have no priors."""
    op.create_table(
        "pseudonyms",
        sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), primary_key=True, autoincrement=False),
        sa.Column("patient", sa.String(64), nullable=False),
        sa.Column("birth", sa.String(64), nullable=False),
        sa.Column("studied", sa.String(14), nullable=False),
    )
    op.create_index("ix_pseudonyms_patient", "pseudonyms", ["patient", "studied", "instance_id"])
