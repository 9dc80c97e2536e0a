"""Storage commitment requests to destinations, and their promises (PS3.4 Annex J)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from gateway.store.clock import now
from gateway.store.entries import DeliveryState, PendingDelivery
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox, change, what
from gateway.store.outcome import hold, update_state
from gateway.store.schema import deliveries
from gateway.store.session import Session
from gateway.telemetry.events import Event


@dataclass(frozen=True, slots=True)
class Report:
    """Changes by a destination's report: results that it keeps, and results that it does not.

    `is_known` where its Transaction UID is that of the last request for some result; `strange` is how many
    objects it names that the request did not.
    """

    is_known: bool
    kept: Sequence[PendingDelivery] = ()
    lost: Sequence[PendingDelivery] = ()
    strange: int = 0


class Commitments:
    """The ledger's Storage Commitment requests. Methods raise `Retry` when the database is away.

    Parameters
    ----------
    delay
        Returns the seconds before what was sent so many times, and is not kept, is sent again.
    """

    def __init__(self, ledger: Ledger, delay: Callable[[int], float]) -> None:
        self._ledger = ledger
        self._delay = delay
        self._outbox = Outbox(ledger)

    def record_asked(self, delivery: PendingDelivery, transaction_uid: str, again_in_seconds: float) -> None:
        """The destination is about to be asked; without an answer it is asked again after that time."""
        this = (deliveries.c.id == delivery.id) & (deliveries.c.state == DeliveryState.STORED)
        not_before = now() + timedelta(seconds=again_in_seconds)
        values: dict[str, Any] = {"transaction_uid": transaction_uid, "not_before": not_before}
        if delivery.asked:
            values["last_error"] = f"asked {_times(delivery.asked)} to commit it, no report"
        with self._ledger.transaction() as connection:
            connection.execute(sa.update(deliveries).where(this, deliveries.c.open).values(values))

    def record_taken(self, transaction_uid: str) -> None:
        """The destination has taken the request; one that did not go counts for nothing."""
        these = deliveries.c.transaction_uid == transaction_uid
        with self._ledger.transaction() as connection:
            connection.execute(sa.update(deliveries).where(these).values(asked=deliveries.c.asked + 1))

    def record_report(
        self, transaction_uid: str, committed: Collection[str], failed: Mapping[str, str]
    ) -> Report:
        """Record a destination's answer.

        What it does not keep is sent again after the delay.

        Parameters
        ----------
        transaction_uid
            Of the request; an answer to any but the last one finds nothing.
        committed
            SOP Instance UIDs that are kept.
        failed
            SOP Instance UIDs that are not, with the reason in words.
        """
        asked = deliveries.c.transaction_uid == transaction_uid
        stored = deliveries.c.open & (deliveries.c.state == DeliveryState.STORED)
        with self._ledger.session() as session:
            known = sa.select(deliveries.c.id).where(asked).limit(1)
            if session.connection.scalars(known).first() is None:
                return Report(is_known=False)
            waiting = self._outbox.read(session.connection, asked & stored)
            lost = [each for each in waiting if each.sop_instance_uid in failed]
            kept = [each for each in waiting if each.sop_instance_uid in committed and each not in lost]
            strange = {*committed, *failed} - {each.sop_instance_uid for each in waiting}
            if strange:  # or done already: a report may come twice
                strange -= {each.sop_instance_uid for each in self._outbox.read(session.connection, asked)}
            return Report(
                True,
                [each for each in kept if _keep(session, each)],
                [each for each in lost if self._lose(session, each, failed[each.sop_instance_uid])],
                len(strange),
            )

    def _lose(self, session: Session, delivery: PendingDelivery, reason: str) -> bool:
        not_before = now() + timedelta(seconds=self._delay(delivery.attempts))
        values = {"last_error": f"not committed: {reason}", "not_before": not_before}
        if not change(session.connection, delivery.id, delivery.state, DeliveryState.PENDING, values):
            return False
        session.tell(Event.COMMITMENT_FAILED, delivery.image, **what(delivery), error=reason)
        return True


def _keep(session: Session, delivery: PendingDelivery) -> bool:
    values = {"open": False, "last_error": None}
    hold(session.connection, delivery.instance_id)
    if not change(session.connection, delivery.id, delivery.state, DeliveryState.COMMITTED, values):
        return False
    session.tell(Event.COMMITTED, delivery.image, **what(delivery))
    update_state(session.connection, delivery.instance_id, now())
    return True


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
