"""Rejects the results of a withdrawn image at the destinations that have them.

The answerer calls it: a note rejects DICOM results where `delivery.rejection_notes` is on, a message or
Bundle withdraws another where `delivery.withdrawals` is stated. Both are written before the transaction that
withdraws the image, and registered within it: what was written twice is the first file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydicom.sr.coding import Code

from gateway.dicom.part_10 import read_file
from gateway.dicom.unreadable import Unreadable
from gateway.errors import Missing, Retry
from gateway.records import SC
from gateway.results.rejected_results import SentResult, rejected_results
from gateway.results.result import Result
from gateway.results.withdrawal import withdrawal
from gateway.store.entries import StoredResult
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects
from gateway.store.own_notes import SentAnswer, answers_sent, record_own_note
from gateway.store.rejections import Rejection
from gateway.store.session import Session
from gateway.store.withdrawals import KeptMessage, messages_kept, record_withdrawal
from gateway.worker.own_files import keep_file


class Written(Protocol):
    """A file on disk that rejects results; its row follows."""

    def record(self, session: Session) -> None:
        """Register it with its deliveries, where the results are; once."""


class Rejecter(Protocol):
    """Rejects results of one sort."""

    def write(self, given: Rejection) -> Sequence[Written]:
        """Write what rejects the results of these images, or may have to.

        Raises
        ------
        Retry
            If the database or the store of results is away.
        """


@dataclass(frozen=True, slots=True)
class OwnNote:
    """A note, and the answer whose results it rejects; `path` as the ledger keeps it."""

    answer: SentAnswer
    result: StoredResult
    path: str

    def record(self, session: Session) -> None:
        """See `Written`."""
        record_own_note(session, self.answer, self.result, self.path)


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A message or Bundle, and the one that it withdraws; `path` as the ledger keeps it."""

    kept: KeptMessage
    result: StoredResult
    path: str

    def record(self, session: Session) -> None:
        """See `Written`."""
        record_withdrawal(session, self.kept, self.result, self.path)


class ResultRejections:
    """Writes notes on DICOM results."""

    def __init__(self, ledger: Ledger, results: Objects) -> None:
        self._ledger = ledger
        self._results = results

    def write(self, given: Rejection) -> list[OwnNote]:
        """Write a note for each answer; see `Rejecter`."""
        with self._ledger.transaction() as connection:
            found = answers_sent(connection, given.sop_instance_uids)
        notes = [self._written(each, Code(given.code, "DCM", given.title)) for each in found]
        return [note for note in notes if note is not None]

    def _written(self, answer: SentAnswer, title: Code) -> OwnNote | None:
        """Return the note; None where the report is deleted, whose header the note would have."""
        sent = [
            SentResult(each.sop_class_uid, each.sop_instance_uid, each.kind == SC) for each in answer.results
        ]
        try:
            report = self._ledger.absolute(answer.report)
            self._results.fetch(report)
            note = rejected_results(read_file(report), sent, title, datetime.now().astimezone())
        except (Missing, FileNotFoundError, Unreadable):
            return None
        except OSError as error:
            raise _away(self._results, error) from error
        stored = _kept(self._results, note)
        return OwnNote(answer, stored, self._ledger.relative(stored.path))


class Withdrawals:
    """Writes the messages and Bundles that withdraw others; `result_status` is OBR-25 of messages."""

    def __init__(self, ledger: Ledger, results: Objects, result_status: str) -> None:
        self._ledger = ledger
        self._results = results
        self._result_status = result_status

    def write(self, given: Rejection) -> list[Withdrawal]:
        """Write one for each message and Bundle; see `Rejecter`."""
        with self._ledger.transaction() as connection:
            found = messages_kept(connection, given.sop_instance_uids)
        made = [self._written(each) for each in found]
        return [each for each in made if each is not None]

    def _written(self, kept: KeptMessage) -> Withdrawal | None:
        """Return what withdraws a message; None where its file is lost or damaged."""
        path, when = self._ledger.absolute(kept.path), datetime.now().astimezone()
        try:
            self._results.fetch(path)
            made = withdrawal(path.read_bytes(), kept.media_type, self._result_status, when)
        except (Missing, FileNotFoundError, ValueError):
            return None
        except OSError as error:
            raise _away(self._results, error) from error
        stored = _kept(self._results, made)
        return Withdrawal(kept, stored, self._ledger.relative(stored.path))


def _kept(results: Objects, made: Result) -> StoredResult:
    try:
        return keep_file(results, made)
    except OSError as error:
        raise _away(results, error) from error


def _away(results: Objects, error: OSError) -> Retry:
    return Retry(f"{results.root}: {error.strerror or error}")
