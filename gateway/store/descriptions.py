"""Names, brightness and pseudonym of an image, beside its answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Description
from gateway.store.schema import instances, pseudonyms


def record_descriptions(connection: sa.Connection, descriptions: Mapping[int, Description]) -> None:
    """Keep the description of each image, by its row."""
    rows = [{"image": image, **_columns(description)} for image, description in descriptions.items()]
    if rows:
        connection.execute(sa.update(instances).where(instances.c.id == sa.bindparam("image")), rows)
    known = [
        {"instance_id": image, **asdict(description.pseudonym)}
        for image, description in descriptions.items()
        if description.pseudonym
    ]
    if known:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert(pseudonyms).on_conflict_do_nothing(), known)


def _columns(description: Description) -> dict[str, object]:
    return {name: value for name, value in asdict(description).items() if name != "pseudonym"}
