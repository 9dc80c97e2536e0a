"""Patients for users who may see them: empty tables, which `web.show_patient` fills; an index of scores."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"

_Id = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Bytewise = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Create the tables, and an index of the scores that there are."""
    image = sa.ForeignKey("instances.id")
    op.create_table(
        "patients",
        sa.Column("instance_id", _Id, image, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("accession_number", sa.Text, nullable=False),
        sa.Column("sex", sa.String(1), nullable=False),
        sa.Column("age_years", sa.Double),
        sa.Column("study_date", sa.String(8), nullable=False),
        sa.Column("view", sa.Text, nullable=False),
        sa.Column("sorted_by", _Bytewise, nullable=False),
    )
    op.create_index("ix_patients_name", "patients", ["sorted_by", "instance_id"])
    op.create_index("ix_patients_date", "patients", ["study_date", "instance_id"])
    op.create_table(
        "patient_keys",
        sa.Column("key", _Bytewise, primary_key=True),
        sa.Column("instance_id", _Id, sa.ForeignKey("instances.id"), primary_key=True, autoincrement=False),
    )
    op.create_index("ix_patient_keys_image", "patient_keys", ["instance_id"])
    scored = sa.text("score IS NOT NULL")
    op.create_index(
        "ix_instances_score", "instances", ["score", "id"], sqlite_where=scored, postgresql_where=scored
    )
