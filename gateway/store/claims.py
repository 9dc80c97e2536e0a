"""Statements by which a batch claims images, begins them, and lets them go.

The ledger calls them; only the batch that holds an image may change it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.records import State
from gateway.store.answers import standing_reports
from gateway.store.clock import now
from gateway.store.database import UTCDateTime
from gateway.store.entries import AT_ONCE, AnsweredVersion, StoredInstance
from gateway.store.rejections import rejected
from gateway.store.schema import answers, instances

Absolute = Callable[[str], Path]
"""Turns a kept path into a file's."""


def claim(connection: sa.Connection, batch: str, limit: int) -> int:
    """Mark up to `limit` images, oldest first, as this batch's; return how many."""
    these = {"claimed_by": batch, "time": now(), "most": limit}
    return len(connection.scalars(_CLAIM, these).all())


def next_due(connection: sa.Connection) -> datetime | None:
    """Return when an image can next be claimed: `AT_ONCE` where one waits already; None where none does."""
    due: datetime | None = connection.scalar(_NEXT_DUE, {"time": now()})
    return due


def begin(connection: sa.Connection, batch: str) -> list[sa.Row[Any]]:
    """Count an attempt on each image of a batch that has no answer yet; return their rows, oldest first."""
    return sorted(connection.execute(_BEGIN, {"held_by": batch}), key=attrgetter("id"))


def stored(
    connection: sa.Connection, rows: Sequence[sa.Row[Any]], absolute: Absolute
) -> list[StoredInstance]:
    """Return the images of these rows, with all that other rows say of them."""
    reports = standing_reports(connection, [row.id for row in rows if row.answer_id is not None])
    uids = {row.sop_instance_uid for row in rows}
    answered, why = _answered(connection, uids, absolute), rejected(connection, uids)
    return [
        StoredInstance(
            **{name: value for name, value in row._mapping.items() if name != "answer_id"}
            | {
                "path": absolute(row.path),
                "was_answered": row.answer_id is not None,
                "earlier_reports": reports.get(row.id, ()),
                "answered": tuple(
                    found for number, found in answered.get(row.sop_instance_uid, ()) if number != row.id
                ),
                "rejected": why.get(row.sop_instance_uid),
            }
        )
        for row in rows
    ]


def _answered(
    connection: sa.Connection, sop_instance_uids: Iterable[str], absolute: Absolute
) -> dict[str, list[tuple[int, AnsweredVersion]]]:
    """Return the data sets under these UIDs that have an answer and a file, by UID."""
    found: dict[str, list[tuple[int, AnsweredVersion]]] = {}
    for row in connection.execute(_ANSWERED, {"uids": list(sop_instance_uids)}):
        version = AnsweredVersion(absolute(row.path), row.software)
        found.setdefault(row.sop_instance_uid, []).append((row.id, version))
    return found


def leave(connection: sa.Connection, instance: StoredInstance, **values: Any) -> bool:
    """Only the batch that holds the image may end it: a worker that was given up comes too late."""
    mine = {"image": instance.id, "held_by": instance.batch}
    return connection.execute(_LEAVE, mine | values | {"batch": None, "state_at": now()}).rowcount == 1


def leave_together(connection: sa.Connection, images: Sequence[StoredInstance]) -> set[int]:
    """Let the images of one batch become `inferred`; return the numbers of those that it still held."""
    mine = {"images": [image.id for image in images], "held_by": images[0].batch}
    return set(connection.scalars(_LEAVE_TOGETHER, mine | {"time": now()}))


_STORED = (
    instances.c.id,
    instances.c.sop_instance_uid,
    instances.c.study_instance_uid,
    instances.c.calling_ae_title,
    instances.c.path,
    instances.c.batch,
    instances.c.attempts,
    instances.c.state_at.label("waits_since"),
    instances.c.answer_id,  # as it is: SQLite 3.38 to 3.40 returns a wrong IS NOT NULL from an UPDATE
    instances.c.pulled_from,
)
# built once: to build a statement takes longer than to execute it, and other writers wait meanwhile
_WAITS = (instances.c.state == State.RECEIVED) & instances.c.batch.is_(None)
_IS_DUE = sa.or_(instances.c.not_before.is_(None), instances.c.not_before <= sa.bindparam("time"))
_NEXT_DUE = sa.select(
    sa.case(
        (sa.exists().where(_WAITS, _IS_DUE), sa.literal(AT_ONCE, UTCDateTime)),
        else_=sa.select(sa.func.min(instances.c.not_before)).where(_WAITS).scalar_subquery(),
    )
)
_FREE = (
    sa.select(instances.c.id)
    .where(_WAITS, _IS_DUE)
    .order_by(instances.c.id)
    .limit(sa.bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM = (
    sa.update(instances)
    .where(instances.c.id.in_(_FREE))
    .values(batch=sa.bindparam("claimed_by"))
    .returning(instances.c.id)
)
_HELD = (instances.c.state == State.RECEIVED) & (instances.c.batch == sa.bindparam("held_by"))
_BEGIN = sa.update(instances).where(_HELD).values(attempts=instances.c.attempts + 1).returning(*_STORED)
_ANSWERED = (
    sa.select(
        instances.c.id,
        instances.c.sop_instance_uid,
        instances.c.path,
        answers.c.software_version.label("software"),
    )
    .join_from(instances, answers, answers.c.id == instances.c.answer_id)
    .where(
        instances.c.sop_instance_uid.in_(sa.bindparam("uids", expanding=True)),
        instances.c.file_deleted_at.is_(None),
    )
)
_LEAVE = sa.update(instances).where(instances.c.id == sa.bindparam("image"), _HELD)
_LEAVE_TOGETHER = (
    sa.update(instances)
    .where(instances.c.id.in_(sa.bindparam("images", expanding=True)), _HELD)
    .values(state=State.INFERRED, batch=None, reason=None, detail=None, state_at=sa.bindparam("time"))
    .returning(instances.c.id)
)  # a reason for which an image has waited goes
