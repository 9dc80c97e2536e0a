"""Images whose file the store does not have: they wait, and end only when a person gives them up.

Workers call `hold`, `gateway give-up` calls `give_up`. A file may come back: from a backup, with another
mount, or with a server that has recovered.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from gateway.errors import Missing
from gateway.records import Reason, State
from gateway.store.clock import now
from gateway.store.entries import DeliveryState, ImageIdentity, StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects, Stores
from gateway.store.outcome import hold as hold_state
from gateway.store.outcome import update_state
from gateway.store.patients import forget_patient
from gateway.store.schema import deliveries, instances, results
from gateway.store.session import IDENTITY, Session
from gateway.telemetry.events import Event

LOST = "given up by a person: the store does not have the file"


def hold(ledger: Ledger, instance: StoredInstance, detail: str, seconds: float) -> None:
    """Let an image wait for its file for so long; its reason is shown meanwhile."""
    waits = (instances.c.id == instance.id) & (instances.c.state == State.RECEIVED)
    mine = waits & (instances.c.batch == instance.batch)
    values = {"batch": None, "attempts": 0, "not_before": now() + timedelta(seconds=seconds)}
    with ledger.session() as session:
        told = session.connection.scalar(sa.select(instances.c.reason).where(mine))
        held = sa.update(instances).where(mine).values(**values, reason=Reason.FILE_MISSING, detail=detail)
        if session.connection.execute(held).rowcount and told != Reason.FILE_MISSING:
            session.tell(Event.FILE_MISSING, instance, reason=detail)


def waiting(ledger: Ledger) -> list[str]:
    """Return the SOP Instance UIDs of the images that wait for their file."""
    held = (instances.c.state == State.RECEIVED) & (instances.c.reason == Reason.FILE_MISSING)
    with ledger.transaction() as connection:
        return list(connection.scalars(sa.select(instances.c.sop_instance_uid).where(held).distinct()))


def give_up(ledger: Ledger, stores: Stores, sop_instance_uid: str) -> int:
    """Say that the files of an image which its store does not have are lost; return how many.

    An image that waits for its file ends as `failed`; deliveries of a lost result are dead.

    Raises
    ------
    Retry
        If a store is away: nothing is known of its files then.
    """
    return _lose_images(ledger, stores.received, sop_instance_uid) + _lose_results(
        ledger, stores.results, sop_instance_uid
    )


def _lose_images(ledger: Ledger, received: Objects, uid: str) -> int:
    kept = (instances.c.sop_instance_uid == uid) & instances.c.file_deleted_at.is_(None)
    with ledger.transaction() as connection:
        rows = connection.execute(sa.select(instances.c.path, *IDENTITY).where(kept)).all()
    lost = [ImageIdentity(*row[1:]) for row in rows if _is_lost(received, ledger, row.path)]
    for image in lost:
        with ledger.session() as session:
            _lose_image(session, image)
    return len(lost)


def _lose_image(session: Session, image: ImageIdentity) -> None:
    this = instances.c.id == image.id
    session.connection.execute(sa.update(instances).where(this).values(file_deleted_at=now()))
    forget_patient(session.connection, image.id)
    failed = {"state": State.FAILED, "state_at": now(), "reason": Reason.FILE_MISSING, "detail": LOST}
    waits = this & (instances.c.state == State.RECEIVED)
    if session.connection.execute(
        sa.update(instances).where(waits).values(failed | {"batch": None})
    ).rowcount:
        session.tell(Event.FAILED, image, reason=Reason.FILE_MISSING, detail=LOST)


def _lose_results(ledger: Ledger, store: Objects, uid: str) -> int:
    image = sa.select(instances.c.id).where(instances.c.sop_instance_uid == uid)
    kept = results.c.instance_id.in_(image) & results.c.file_deleted_at.is_(None)
    with ledger.transaction() as connection:
        rows = connection.execute(
            sa.select(results.c.id, results.c.instance_id, results.c.path).where(kept)
        ).all()
    lost = [row for row in rows if _is_lost(store, ledger, row.path)]
    for row in lost:
        with ledger.session() as session:
            _lose_result(session, row.id, row.instance_id)
    return len(lost)


def _lose_result(session: Session, result_id: int, instance_id: int) -> None:
    connection = session.connection
    hold_state(connection, instance_id)
    this = sa.update(results).where(results.c.id == result_id)
    connection.execute(this.values(file_deleted_at=now()))
    waits = (deliveries.c.result_id == result_id) & (deliveries.c.state == DeliveryState.PENDING)
    dead = {
        "state": DeliveryState.DEAD,
        "state_at": now(),
        "open": False,
        "last_error": LOST,
        "worker_id": None,
    }
    if connection.execute(sa.update(deliveries).where(waits).values(dead)).rowcount:
        image = ImageIdentity(
            *connection.execute(sa.select(*IDENTITY).where(instances.c.id == instance_id)).one()
        )
        session.tell(Event.DEAD_LETTERED, image, error=LOST)
        update_state(connection, instance_id, now())


def _is_lost(store: Objects, ledger: Ledger, path: str) -> bool:
    try:
        store.fetch(ledger.absolute(path))
    except Missing:
        return True
    return False
