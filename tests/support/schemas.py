"""Compares schemas of two versions of the gateway."""

from __future__ import annotations

import sqlalchemy as sa


def more_than_added(before: sa.MetaData, after: sa.MetaData) -> list[str]:
    """Return the changes by which a gateway that knows the schema `before` would fail on `after`."""
    problems = []
    for name, old in before.tables.items():
        new = after.tables.get(name)
        if new is None:
            problems.append(f"table {name} is gone")
            continue
        for column in old.columns:
            now = new.columns.get(column.name)
            if now is None or repr(now.type) != repr(column.type) or now.nullable < column.nullable:
                problems.append(f"column {name}.{column.name} is another one")
        added = [column for column in new.columns if column.name not in old.columns]
        problems += [
            f"column {name}.{column.name} demands a value"
            for column in added
            if not column.nullable and column.server_default is None
        ]
        if demands(new) != demands(old):
            problems.append(f"table {name} demands something else")
    return problems


def demands(table: sa.Table) -> set[str]:
    """Return the constraints and the unique indexes of a table."""
    kinds = (sa.UniqueConstraint, sa.ForeignKeyConstraint, sa.CheckConstraint, sa.PrimaryKeyConstraint)
    constraints = [each for each in table.constraints if isinstance(each, kinds)]
    found = {
        f"{type(each).__name__} {sorted(column.name for column in each.columns)}" for each in constraints
    }
    return found | {
        f"unique {sorted(column.name for column in each.columns)}" for each in table.indexes if each.unique
    }
