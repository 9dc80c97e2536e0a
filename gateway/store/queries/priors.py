"""Other studies of the patient of an image, by pseudonym (`store.descriptions`): never by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from gateway.records import Reason
from gateway.store.ledger import Ledger
from gateway.store.queries.images import ANSWERED, ROW, row_values
from gateway.store.queries.views import ImageRow
from gateway.store.schema import answers, instances, pseudonyms

MOST = 200
"""Images of other studies that are shown, the newest first."""

_NO_PRIORS = (Reason.OWN_RESULT, Reason.REJECTION_NOTE)
_WANTED = (
    *ROW,
    instances.c.file_deleted_at,
    answers.c.threshold,
    answers.c.abstained,
    answers.c.model_name,
    answers.c.model_version,
    answers.c.weights_sha256,
    answers.c.site,
    answers.c.created_at.label("answered_at"),
    pseudonyms.c.birth,
    pseudonyms.c.studied,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorRow(ImageRow):
    """An image of the patient; `studied` is its YYYYMMDDHHMMSS, YYYYMMDD, or empty."""

    file_deleted_at: Any
    threshold: float | None
    abstained: str | None
    model_name: str | None
    model_version: str | None
    weights_sha256: str | None
    site: str | None
    answered_at: Any
    birth: str
    studied: str

    @property
    def order(self) -> str:
        """Return when it was taken, for comparison; the time of reception where the header has no date."""
        return self.studied or f"{self.received_at.astimezone():%Y%m%d%H%M%S}"

    @property
    def model(self) -> tuple[str | None, ...]:
        """Return what scores must have in common to be compared: model, weights, and the site's fit."""
        return self.model_name, self.model_version, self.weights_sha256, self.site


@dataclass(frozen=True, slots=True)
class Known:
    """A patient's images: the one that is shown, and those of other studies.

    Attributes
    ----------
    image
        The image itself.
    others
        Images of other studies, the newest first.
    doubtful
        How many have the same ID and another date of birth: they are none of `others`.
    """

    image: PriorRow
    others: tuple[PriorRow, ...]
    doubtful: int


class Priors:
    """Read-only. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def of(self, instance_id: int) -> Known | None:
        """Return the images of other studies of the patient; None where the image has no pseudonym."""
        this = pseudonyms.c.instance_id == instance_id
        with self._ledger.transaction() as connection:
            own = connection.execute(_ROWS.where(this)).mappings().one_or_none()
            if own is None:
                return None
            image = PriorRow(**row_values(own))
            patient = sa.select(pseudonyms.c.patient).where(this).scalar_subquery()
            same = _ROWS.where(
                pseudonyms.c.patient == patient,
                instances.c.study_instance_uid != image.study_instance_uid,
                sa.or_(instances.c.reason.is_(None), instances.c.reason.not_in(_NO_PRIORS)),
            ).order_by(pseudonyms.c.studied.desc(), instances.c.id.desc())
            rows = [
                PriorRow(**row_values(row)) for row in connection.execute(same.limit(2 * MOST)).mappings()
            ]
        alike = [row for row in rows if not (row.birth and image.birth and row.birth != image.birth)]
        shown = sorted(_versions(alike), key=lambda row: row.order, reverse=True)
        return Known(image, tuple(shown[:MOST]), len(rows) - len(alike))


_ROWS = sa.select(*_WANTED).select_from(ANSWERED.join(pseudonyms, pseudonyms.c.instance_id == instances.c.id))


def _versions(rows: list[PriorRow]) -> list[PriorRow]:
    """Return one data set under each UID: the newest with an answer, else the newest."""
    best: dict[str, PriorRow] = {}
    for row in sorted(rows, key=lambda row: (row.label is not None, row.id)):
        best[row.sop_instance_uid] = row
    return list(best.values())
