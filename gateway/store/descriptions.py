"""What an image is called and how it looks, beside its answer."""

from __future__ import annotations

from dataclasses import asdict

import sqlalchemy as sa

from gateway.records import Description
from gateway.store.schema import instances


def record_description(connection: sa.Connection, instance_id: int, description: Description) -> None:
    """Keep what people look for an image by."""
    this = instances.c.id == instance_id
    connection.execute(sa.update(instances).where(this).values(asdict(description)))
