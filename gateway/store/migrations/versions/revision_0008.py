"""Results that need not be DICOM: each has a media type and a name; SOP class and instance are optional."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add two columns and loosen three; every result so far is a DICOM file named by its SOP Instance UID."""
    op.add_column("results", sa.Column("media_type", sa.String(128)))
    op.add_column("results", sa.Column("name", sa.String(128)))
    op.execute("UPDATE results SET media_type = 'application/dicom', name = sop_instance_uid || '.dcm'")
    with op.batch_alter_table("results") as results:
        results.alter_column("media_type", existing_type=sa.String(128), nullable=False)
        results.alter_column("name", existing_type=sa.String(128), nullable=False)
        results.alter_column("kind", existing_type=sa.String(8), type_=sa.String(32))
        results.alter_column("sop_class_uid", existing_type=sa.String(64), nullable=True)
        results.alter_column("sop_instance_uid", existing_type=sa.String(64), nullable=True)
        results.create_unique_constraint("results_name_key", ["name"])
