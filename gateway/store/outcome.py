"""An image's last state follows from the deliveries of its standing answers.

The store calls it within the transaction that records an answer, a delivery or a commitment.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason, State
from gateway.store.entries import DeliveryState
from gateway.store.schema import answers, deliveries, instances, results

NO_ROUTE = (
    "answered, but no route takes it: gateway route says why; state one under routes, then gateway retry"
)


HELD_IMAGES = (
    sa.select(instances.c.id)
    .where(instances.c.id.in_(sa.bindparam("images", expanding=True)))
    .order_by(instances.c.id)
    .with_for_update(key_share=True)
)
"""Picks images, and keeps their states from others until the transaction ends.

Two couriers may end the last two deliveries of an image at the same moment: without it, neither sees what
the other has not yet committed, and the image stays `inferred`. SQLite has one writer at a time.
"""

_ENDS = (  # this and the next one are built once, as other writers wait meanwhile
    sa.select(results.c.instance_id, deliveries.c.state, deliveries.c.open, deliveries.c.destination)
    .join(results, results.c.id == deliveries.c.result_id)
    .join(answers, answers.c.id == results.c.answer_id)
    .where(
        results.c.instance_id.in_(sa.bindparam("images", expanding=True)), answers.c.superseded_at.is_(None)
    )
)
_END = sa.update(instances).where(
    instances.c.id.in_(sa.bindparam("images", expanding=True)), instances.c.state == State.INFERRED
)


def hold(connection: sa.Connection, instance_id: int) -> None:
    """Keep the state of one image from others: see `HELD_IMAGES`; called before its deliveries change."""
    if connection.dialect.name == "postgresql":
        connection.execute(HELD_IMAGES, {"images": [instance_id]})


def update_state(connection: sa.Connection, instance_id: int, time: datetime) -> None:
    """Make an `inferred` image `delivered` or `failed` once nothing of its answers is left to deliver.

    The caller holds the image: see `HELD_IMAGES`.
    """
    update_states(connection, [instance_id], time)


def update_states(connection: sa.Connection, instance_ids: Collection[int], time: datetime) -> None:
    """Do for each image what `update_state` does for one, with one statement for all that are `delivered`."""
    by_image: dict[int, list[Any]] = {instance_id: [] for instance_id in instance_ids}
    for row in connection.execute(_ENDS, {"images": list(instance_ids)}):
        by_image[row.instance_id].append(row)
    delivered = []
    for instance_id, rows in by_image.items():
        if any(row.open for row in rows):
            continue
        dead = sorted({row.destination for row in rows if row.state == DeliveryState.DEAD})
        if dead:
            detail = f"not delivered to {', '.join(dead)}; see the deliveries for the error"
            _end(connection, [instance_id], time, State.FAILED, Reason.NOT_DELIVERED, detail)
        elif not rows:
            _end(connection, [instance_id], time, State.FAILED, Reason.NOT_ROUTED, NO_ROUTE)
        else:
            delivered.append(instance_id)
    if delivered:
        _end(connection, delivered, time, State.DELIVERED)


def _end(
    connection: sa.Connection,
    instance_ids: Sequence[int],
    time: datetime,
    state: State,
    reason: Reason | None = None,
    detail: str | None = None,
) -> None:
    values = {"state": state, "state_at": time} | ({"reason": reason, "detail": detail} if reason else {})
    connection.execute(_END, {"images": list(instance_ids)} | values)
