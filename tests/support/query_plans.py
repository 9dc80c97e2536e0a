"""Query plans of SQLite: how the statements of an operation find their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

_EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@contextmanager
def plans_of(engine: sa.Engine) -> Iterator[dict[str, list[str]]]:
    """Yield the plan of each statement that the engine executes within the block, by statement."""
    found: dict[str, list[str]] = {}

    def explain(_: Any, cursor: Any, statement: str, values: Any, __: Any, has_rows: bool) -> None:
        if statement.lstrip().upper().startswith(_EXPLAINED) and statement not in found:
            rows = cursor.connection.execute(
                f"EXPLAIN QUERY PLAN {statement}", values[0] if has_rows else values
            )
            found[statement] = [row[3] for row in rows]

    sa.event.listen(engine, "before_cursor_execute", explain)
    try:
        yield found
    finally:
        sa.event.remove(engine, "before_cursor_execute", explain)


def plans_while(engine: sa.Engine, operation: Callable[[], object]) -> dict[str, list[str]]:
    """Return the plans of the statements of an operation."""
    with plans_of(engine) as plans:
        operation()
    return plans
