"""Makes the SRs in which readers judge answers.

The engine calls `make` again and again where `delivery.reader_reports` is set; the report page has only made
them due. An SR is written before the transaction that registers it: after a kill in between, the file that is
there is registered, so that a reader's word has one SR.
"""

from __future__ import annotations

from pathlib import Path

from gateway.dicom.part_10 import read_file
from gateway.dicom.unreadable import Unreadable
from gateway.errors import Missing, Retry
from gateway.results.reader_report import Organisation, Reading, reader_report
from gateway.results.result import Result
from gateway.store.entries import Agreement, StoredResult
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects
from gateway.store.reader_reports import (
    REJECTED,
    DueReport,
    due_reports,
    leave_unreported,
    record_report,
    repeat_report,
)
from gateway.worker.own_files import keep_file

AT_ONCE = 100
"""Words that one call turns into SRs; the others wait for the next one."""

DELETED = "the files of the gateway's own report have been deleted"
_AGREES: dict[Agreement, bool | None] = {
    Agreement.AGREE: True,
    Agreement.DISAGREE: False,
    Agreement.UNSURE: None,
}


class ReaderReports:
    """Writes readers' SRs and registers them with their deliveries; several workers may do so at once.

    Parameters
    ----------
    organisation, role
        Of the readers; the fields of `results.reader_report.Organisation`.
    """

    def __init__(
        self, ledger: Ledger, results: Objects, organisation: str | None = None, role: str | None = None
    ) -> None:
        self._ledger = ledger
        self._results = results
        self._organisation = Organisation(organisation, role)

    def make(self) -> None:
        """Make the SRs that are due.

        Raises
        ------
        Retry
            If the database or the store of results is away; what is left stays due.
        """
        with self._ledger.transaction() as connection:
            found = due_reports(connection, AT_ONCE)
        for due in found:
            self._make(due)

    def write(self, due: DueReport) -> StoredResult | str:
        """Write the SR of a word, or return why there can be none; `Retry` as in `make`."""
        if due.is_rejected:
            return REJECTED
        if due.report is None:
            return DELETED
        try:
            return keep_file(self._results, self._built(due, self._ledger.absolute(due.report)))
        except (Missing, FileNotFoundError):
            return DELETED
        except (Unreadable, ValueError) as error:
            return str(error)
        except OSError as error:
            raise Retry(f"{self._results.root}: {error.strerror or error}") from error

    def _make(self, due: DueReport) -> None:
        if due.same is not None:
            with self._ledger.session() as session:
                repeat_report(session, due, due.same)
            return
        written = self.write(due)
        with self._ledger.session() as session:
            if isinstance(written, str):
                leave_unreported(session, due, written)
            else:
                record_report(session, due, written, self._ledger.relative(written.path))

    def _built(self, due: DueReport, report: Path) -> Result:
        self._results.fetch(report)
        reading = Reading(due.reader, _AGREES[due.verdict], due.comment, due.time)
        return reader_report(read_file(report), reading, self._organisation, due.earlier)
