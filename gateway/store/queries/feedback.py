"""Feedback of readers: for the report, the concordance page and `gateway export`."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa

from gateway.store.entries import Agreement
from gateway.store.ledger import Ledger
from gateway.store.queries.views import FeedbackView
from gateway.store.schema import answers, feedback, instances

_SAID = (
    sa.select(
        feedback.c.reader,
        feedback.c.verdict,
        feedback.c.comment,
        feedback.c.time,
        instances.c.sop_instance_uid,
        instances.c.calling_ae_title,
        instances.c.scanner,
        feedback.c.answer_id,
        answers.c.label,
        answers.c.score,
        answers.c.threshold,
        answers.c.model_name,
        answers.c.model_version,
        answers.c.positive,
        answers.c.finding,
    )
    .join(instances, instances.c.id == feedback.c.instance_id)
    .join(answers, answers.c.id == feedback.c.answer_id)
)


class FeedbackQueries:
    """Read-only questions. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, sop_instance_uid: str) -> list[FeedbackView]:
        """Return what was said about an image, the newest first."""
        query = _SAID.where(instances.c.sop_instance_uid == sop_instance_uid)
        with self._ledger.transaction() as connection:
            rows = connection.execute(query.order_by(feedback.c.id.desc())).mappings()
            return [_view(row) for row in rows]

    def standing(self) -> Iterator[FeedbackView]:
        """Yield each reader's last word on each image, the oldest first."""
        last = sa.select(sa.func.max(feedback.c.id)).group_by(feedback.c.instance_id, feedback.c.reader)
        query = _SAID.where(feedback.c.id.in_(last)).order_by(feedback.c.id)
        with self._ledger.transaction() as connection:
            yield from map(_view, connection.execute(query).mappings())


def _view(row: sa.RowMapping) -> FeedbackView:
    return FeedbackView(**dict(row) | {"verdict": Agreement(row["verdict"])})
