"""Readers' feedback on answers. Every word is kept; the last one of each reader counts.

The report page calls it; `store.queries.feedback` reads what it wrote.
"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.errors import GatewayError
from gateway.store.clock import now
from gateway.store.entries import Agreement, ImageIdentity
from gateway.store.ledger import Ledger
from gateway.store.schema import answers, feedback, instances, reader_reports
from gateway.store.session import IDENTITY
from gateway.telemetry.events import Event


class Feedback:
    """The table of feedback. Methods raise `Retry` when the database is away or locked.

    Parameters
    ----------
    reported
        Every word is to become an SR; a worker makes it (`worker.reader_reports`).
    """

    def __init__(self, ledger: Ledger, *, reported: bool = False) -> None:
        self._ledger = ledger
        self._reported = reported

    def record(
        self, sop_instance_uid: str, reader: str, verdict: Agreement, comment: str, answer_id: int
    ) -> None:
        """Keep what a reader says about the answer that the reader has seen.

        Raises
        ------
        GatewayError
            If the image has no such answer, or another one by now.
        """
        answered = (
            sa.select(*IDENTITY, answers.c.id.label("answer_id"), answers.c.superseded_at)
            .join(answers, answers.c.instance_id == instances.c.id)
            .where(instances.c.sop_instance_uid == sop_instance_uid)
        )
        with self._ledger.session() as session:
            found = {row.answer_id: row for row in session.connection.execute(answered)}
            if not found:
                raise GatewayError(f"{sop_instance_uid}: there is no answer to judge")
            if answer_id not in found or found[answer_id].superseded_at is not None:
                raise GatewayError("the answer has changed since this page was opened: load it again")
            image = ImageIdentity(*found[answer_id][: len(IDENTITY)])
            said = {"reader": reader, "verdict": verdict, "comment": comment, "time": now()}
            keys = {"instance_id": image.id, "answer_id": answer_id}
            kept = sa.insert(feedback).values(**said, **keys).returning(feedback.c.id)
            number = session.connection.execute(kept).scalar_one()
            if self._reported:
                session.connection.execute(sa.insert(reader_reports).values(feedback_id=number, due=True))
            session.tell(Event.FEEDBACK, image, reader=reader, verdict=verdict)
