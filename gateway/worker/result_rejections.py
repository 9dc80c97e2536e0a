"""Rejects the results of a withdrawn image at the destinations that have them, by a note of its own.

The answerer calls it where `delivery.rejection_notes` is on. Notes are written before the transaction that
withdraws the image, and registered within it: a note that was written twice is the first file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydicom.sr.coding import Code

from gateway.dicom.part_10 import read_file
from gateway.dicom.unreadable import Unreadable
from gateway.errors import Missing, Retry
from gateway.records import SC
from gateway.results.rejected_results import SentResult, rejected_results
from gateway.store.entries import StoredResult
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects
from gateway.store.own_notes import SentAnswer, answers_sent, record_own_note
from gateway.store.rejections import Rejection
from gateway.store.session import Session
from gateway.worker.own_files import keep_file


@dataclass(frozen=True, slots=True)
class OwnNote:
    """A note on disk, and the answer whose results it rejects."""

    answer: SentAnswer
    result: StoredResult


class ResultRejections:
    """Writes notes and registers them with their deliveries."""

    def __init__(self, ledger: Ledger, results: Objects) -> None:
        self._ledger = ledger
        self._results = results

    def write(self, given: Rejection) -> list[OwnNote]:
        """Write a note for each answer that has, or may have, results at a destination.

        Raises
        ------
        Retry
            If the database or the store of results is away.
        """
        with self._ledger.transaction() as connection:
            found = answers_sent(connection, given.sop_instance_uids)
        notes = [self._written(each, Code(given.code, "DCM", given.title)) for each in found]
        return [note for note in notes if note is not None]

    def record(self, session: Session, notes: Sequence[OwnNote]) -> None:
        """Register the notes, and their deliveries where the results are."""
        for note in notes:
            record_own_note(session, note.answer, note.result, self._ledger.relative(note.result.path))

    def _written(self, answer: SentAnswer, title: Code) -> OwnNote | None:
        """Return the note; None where the report is deleted, whose header the note would have."""
        sent = [
            SentResult(each.sop_class_uid, each.sop_instance_uid, each.kind == SC) for each in answer.results
        ]
        try:
            report = self._ledger.absolute(answer.report)
            self._results.fetch(report)
            note = rejected_results(read_file(report), sent, title, datetime.now().astimezone())
            stored = keep_file(self._results, note)
        except (Missing, FileNotFoundError, Unreadable):
            return None
        except OSError as error:
            raise Retry(f"{self._results.root}: {error.strerror or error}") from error
        return OwnNote(answer, stored)
