"""The first answers of the model that answers now; doctor and dashboard judge by them."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa

from gateway.store.ledger import Ledger
from gateway.store.schema import answers


class FirstAnswers(NamedTuple):
    """The first answers of a model.

    Attributes
    ----------
    site
        The site to which a profile has fitted the model, as its results state it; None: not fitted.
    positive
        Name of the class with the finding.
    answers
        Label and score of each answer, the oldest first; the score of an abstention is None.
    """

    site: str | None
    positive: str
    answers: tuple[tuple[str, float | None], ...]


def first_answers(ledger: Ledger, most: int) -> FirstAnswers | None:
    """Return at most so many first answers of the model that gave the newest one; None where there is none.

    Raises
    ------
    Retry
        If the database is away.
    """
    newest = sa.select(answers.c.device_uid, answers.c.site, answers.c.positive).order_by(answers.c.id.desc())
    with ledger.transaction() as connection:
        model = connection.execute(newest.limit(1)).first()
        if model is None:
            return None
        given = sa.select(answers.c.label, answers.c.score).where(answers.c.device_uid == model.device_uid)
        rows = connection.execute(given.order_by(answers.c.id).limit(most))
        return FirstAnswers(model.site, model.positive, tuple((row.label, row.score) for row in rows))
