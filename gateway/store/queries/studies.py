"""All files of a study, kept or not, with its images: the query of the study's download."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.records import DICOM
from gateway.store.ledger import Ledger
from gateway.store.schema import answers, instances, results

SOURCE = "source"
"""The kind of a received file, beside the kinds of results."""


@dataclass(frozen=True, slots=True)
class StudyFile:
    """A received image or a result.

    Attributes
    ----------
    instance_id, source_sop_instance_uid
        The row and the UID of the image whose file it is.
    sop_class_uid, sop_instance_uid
        Its own; None of a result that is not DICOM.
    name
        Unique within the study: a UID and an extension; of further data sets under a UID a hash, too.
    path
        Absolute, in the store of images or of results.
    deleted_at
        When retention deleted it; None while it is kept.
    sha256
        Of a result's whole file; of a received image's data set, without the head of its file.
    superseded_at
        When another answer replaced the one that it carries; None while that stands, and of images.
    """

    instance_id: int
    source_sop_instance_uid: str
    kind: str
    media_type: str
    sop_class_uid: str | None
    sop_instance_uid: str | None
    name: str
    path: Path
    deleted_at: datetime | None
    sha256: str
    superseded_at: datetime | None = None


class Studies:
    """Read-only. Methods raise `Retry` when the database is away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def files(self, study_instance_uid: str) -> list[StudyFile]:
        """Return the files of a study, the first image first, each followed by its results."""
        this = instances.c.study_instance_uid == study_instance_uid
        with self._ledger.transaction() as connection:
            images = connection.execute(sa.select(instances).where(this).order_by(instances.c.id)).all()
            made = connection.execute(_RESULTS.where(this).order_by(results.c.id)).all()
        files: list[StudyFile] = []
        known = set[str]()
        for image in images:
            files.append(self._received(image, again=image.sop_instance_uid in known))
            known.add(image.sop_instance_uid)
            files += [self._result(image, each) for each in made if each.instance_id == image.id]
        return files

    def _received(self, row: Any, *, again: bool) -> StudyFile:
        uid = row.sop_instance_uid
        name = f"{uid}.{row.sha256[:16]}.dcm" if again else f"{uid}.dcm"
        path = self._ledger.absolute(row.path)
        own = row.sop_class_uid, uid, name
        return StudyFile(row.id, uid, SOURCE, DICOM, *own, path, row.file_deleted_at, row.sha256)

    def _result(self, image: Any, row: Any) -> StudyFile:
        own = row.sop_class_uid, row.sop_instance_uid, row.name
        path = self._ledger.absolute(row.path)
        kept = row.file_deleted_at, row.sha256, row.superseded_at
        return StudyFile(image.id, image.sop_instance_uid, row.kind, row.media_type, *own, path, *kept)


_RESULTS = (
    sa.select(
        results.c.instance_id,
        results.c.kind,
        results.c.media_type,
        results.c.name,
        results.c.sop_class_uid,
        results.c.sop_instance_uid,
        results.c.path,
        results.c.file_deleted_at,
        results.c.sha256,
        answers.c.superseded_at,
    )
    .join(answers, answers.c.id == results.c.answer_id)
    .join(instances, instances.c.id == results.c.instance_id)
)
