"""An image's last state follows from the deliveries of its standing answers.

The store calls it within the transaction that records an answer, a delivery or a commitment.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, State
from gateway.store.entries import DeliveryState
from gateway.store.schema import answers, deliveries, instances, results

NO_ROUTE = (
    "answered, but no route takes it: gateway route says why; state one under routes, then gateway retry"
)


def update_state(connection: sa.Connection, instance_id: int, time: datetime) -> None:
    """Make an `inferred` image `delivered` or `failed` once nothing of its answers is left to deliver."""
    query = (
        sa.select(deliveries.c.state, deliveries.c.open, deliveries.c.destination)
        .join(results, results.c.id == deliveries.c.result_id)
        .join(answers, answers.c.id == results.c.answer_id)
        .where(results.c.instance_id == instance_id, answers.c.superseded_at.is_(None))
    )
    rows = connection.execute(query).all()
    if any(row.open for row in rows):
        return
    dead = sorted({row.destination for row in rows if row.state == DeliveryState.DEAD})
    values: dict[str, Any] = {"state": State.DELIVERED}
    if not rows:
        values = {"state": State.FAILED, "reason": Reason.NOT_ROUTED, "detail": NO_ROUTE}
    elif dead:
        detail = f"not delivered to {', '.join(dead)}; see the deliveries for the error"
        values = {"state": State.FAILED, "reason": Reason.NOT_DELIVERED, "detail": detail}
    this = (instances.c.id == instance_id) & (instances.c.state == State.INFERRED)
    connection.execute(sa.update(instances).where(this).values(**values, state_at=time))
