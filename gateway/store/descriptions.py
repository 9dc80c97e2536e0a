"""Names and brightness of an image, beside its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import sqlalchemy as sa

from gateway.records import Description
from gateway.store.schema import instances


def record_descriptions(connection: sa.Connection, descriptions: Mapping[int, Description]) -> None:
    """Keep the description of each image, by its row."""
    rows = [{"image": image} | asdict(description) for image, description in descriptions.items()]
    if rows:
        connection.execute(sa.update(instances).where(instances.c.id == sa.bindparam("image")), rows)
