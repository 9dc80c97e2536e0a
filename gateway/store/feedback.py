"""What readers say about answers. Every word is kept; the last one of each reader counts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from gateway.errors import GatewayError
from gateway.store.entries import ImageIdentity, Verdict
from gateway.store.ledger import Ledger, now
from gateway.store.schema import feedback, instances
from gateway.store.session import IDENTITY
from gateway.telemetry.events import Event


class FeedbackBook:
    """The feedback of readers. Methods raise `Retry` when the database is away or locked."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def record(self, sop_instance_uid: str, reader: str, verdict: Verdict, comment: str, judged: str) -> None:
        """Keep what a reader says about an answer.

        Parameters
        ----------
        judged
            The `identity_of` the answer that the reader has seen.

        Raises
        ------
        GatewayError
            If the image has no answer, or another one by now.
        """
        answered = sa.select(instances).where(
            instances.c.sop_instance_uid == sop_instance_uid, instances.c.label.is_not(None)
        )
        with self._ledger.session() as session:
            connection = session.connection
            found = connection.execute(answered.order_by(instances.c.id.desc()).limit(1)).mappings().first()
            if found is None:
                raise GatewayError(f"{sop_instance_uid}: there is no answer to judge")
            row = dict(found)
            if identity_of(row) != judged:
                raise GatewayError("the answer has changed since this page was opened: load it again")
            said = {"reader": reader, "verdict": verdict, "comment": comment, "time": now()}
            connection.execute(sa.insert(feedback).values(**said, **_about(row)))
            image = ImageIdentity(*(row[column.name] for column in IDENTITY))
            session.tell(Event.FEEDBACK, image, reader=reader, verdict=verdict)

    def of(self, sop_instance_uid: str) -> list[dict[str, Any]]:
        """Return what was said about an image, the newest first."""
        query = (
            sa.select(feedback)
            .join(instances, instances.c.id == feedback.c.instance_id)
            .where(instances.c.sop_instance_uid == sop_instance_uid)
            .order_by(feedback.c.id.desc())
        )
        with self._ledger.transaction() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def standing(self) -> Iterator[dict[str, Any]]:
        """Yield each reader's last word on each image, with what is known of the image, oldest first."""
        last = sa.select(sa.func.max(feedback.c.id)).group_by(feedback.c.instance_id, feedback.c.reader)
        query = (
            sa.select(
                feedback,
                instances.c.sop_instance_uid,
                instances.c.calling_ae_title,
                instances.c.scanner,
                instances.c.received_at,
            )
            .join(instances, instances.c.id == feedback.c.instance_id)
            .where(feedback.c.id.in_(last))
            .order_by(feedback.c.id)
        )
        with self._ledger.transaction() as connection:
            for row in connection.execute(query).mappings():
                yield dict(row)


def identity_of(image: dict[str, Any]) -> str:
    """Return what no other answer has, of an image's `id`, `label` and `answer`."""
    content = json.dumps([image["id"], image["label"], image["answer"]], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _about(row: dict[str, Any]) -> dict[str, Any]:
    """The answer that is judged, and whose it is."""
    model = (row["answer"] or {}).get("model", {})
    return {
        "instance_id": row["id"],
        "label": row["label"],
        "p_pneumonia": row["p_pneumonia"],
        "threshold": model.get("threshold"),
        "model_version": model.get("version"),
        "device_uid": model.get("device_uid"),
    }
