"""Names, brightness and pseudonym of an image, in its row together with the answer that is shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from gateway.records import Description
from gateway.store.schema import instances, pseudonyms

_CHANGE = sa.update(instances).where(instances.c.id == sa.bindparam("image"))
_PSEUDONYMS = {  # built once, as other writers wait meanwhile; by RETURNING alone many rows are one statement
    dialect: insert(pseudonyms).on_conflict_do_nothing().returning(pseudonyms.c.instance_id)
    for dialect, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
}


def record_descriptions(
    connection: sa.Connection,
    descriptions: Mapping[int, Description | None],
    shown: Mapping[int, Mapping[str, Any]] | None = None,
) -> None:
    """Keep the description of each image, by its row, and further columns of it in the same statement."""
    together = defaultdict[tuple[str, ...], list[dict[str, Any]]](list)
    for image, description in descriptions.items():
        row = {"image": image} | dict((shown or {}).get(image, {})) | _columns(description)
        if len(row) > 1:
            together[tuple(row)].append(row)
    for rows in together.values():
        _change(connection, rows)
    known = [
        {"instance_id": image, **asdict(description.pseudonym)}
        for image, description in descriptions.items()
        if description and description.pseudonym
    ]
    if known:
        connection.execute(_PSEUDONYMS[connection.dialect.name], known)


def _columns(description: Description | None) -> dict[str, object]:
    columns = asdict(description) if description else {}
    return {name: value for name, value in columns.items() if name != "pseudonym"}


def _change(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Change the rows of images; all name the same columns. On PostgreSQL that is one statement."""
    if connection.dialect.name != "postgresql":
        connection.execute(_CHANGE, rows)
        return
    names = tuple(rows[0])
    connection.exec_driver_sql(_change_together(names), tuple([row[name] for row in rows] for name in names))


@cache
def _change_together(names: tuple[str, ...]) -> str:
    """Return the statement that takes each column as an array; the first one is `image`."""
    columns = [name for name in names if name != "image"]
    arrays = ", ".join(f"%s::{_array_of(name)}" for name in names)
    changed = ", ".join(f"{name} = new.{name}" for name in columns)
    return (
        f"UPDATE instances SET {changed} FROM unnest({arrays}) AS new ({', '.join(names)})"  # noqa: S608
        " WHERE instances.id = new.image"
    )


def _array_of(name: str) -> str:
    column = instances.c["id" if name == "image" else name]
    return {int: "bigint[]", float: "float8[]", str: "text[]"}[column.type.python_type]
