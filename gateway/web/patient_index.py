"""Fills the rows of patients from received files, for worklist and report; the role `web` runs it.

Where `web.show_patient` is false, it erases what was kept before and ends. Each second it reads the headers
of images that came since; once an hour it looks for images without a row: from before the setting, or
received again after their file was deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

from gateway.dicom.part_10 import read_file
from gateway.dicom.unreadable import Unreadable
from gateway.errors import Missing, Retry
from gateway.imaging.patient import LAST_TAG, patient_of
from gateway.records import Patient
from gateway.store.patients import Patients, Unread
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event

PAUSE_SECONDS = 1.0
SWEEP_SECONDS = 3600.0
BEHIND = 1000
"""Rows below the newest that are looked through again: transactions of several receivers end in any order."""


class PatientIndex:
    """The thread that keeps rows of patients beside images.

    Parameters
    ----------
    fetch
        Makes a received file readable at its path (`Objects.fetch`).
    wanted
        `web.show_patient` is set.
    """

    def __init__(self, patients: Patients, fetch: Callable[[Path], None], *, wanted: bool) -> None:
        self._patients = patients
        self._fetch = fetch
        self._wanted = wanted
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="patients", daemon=True)

    def start(self) -> None:
        """Begin to fill, or to erase."""
        self._thread.start()

    def stop(self) -> None:
        """End after the images in hand."""
        self._stopped.set()
        self._thread.join(5)

    def fill(self, *, above: int) -> None:
        """Read the images with numbers above `above` that have no row."""
        while (unread := self._patients.unread(above=above)) and not self._stopped.is_set():
            self._keep(unread)
            above = unread[-1].id

    def sweep(self) -> None:
        """Read all images that have no row, the newest first."""
        below = None
        while (unread := self._patients.unread(below=below)) and not self._stopped.is_set():
            self._keep(unread)
            below = unread[-1].id

    def _run(self) -> None:
        swept_at = None
        while True:
            try:
                if not self._wanted:
                    self._patients.erase()
                    return
                self.fill(above=self._patients.last_image() - BEHIND)
                if swept_at is None or monotonic() - swept_at > SWEEP_SECONDS:
                    self.sweep()
                    swept_at = monotonic()
            except Retry:
                pass  # the database is away: the next round
            except Exception:
                log_bug(Event.BUG, task="patients")
            if self._stopped.wait(PAUSE_SECONDS):
                return

    def _keep(self, unread: Iterable[Unread]) -> None:
        found = ((image.id, self._read(image.path)) for image in unread)
        self._patients.keep({number: patient for number, patient in found if patient is not None})

    def _read(self, path: Path) -> Patient | None:
        """Return the patient; an empty one of a file that cannot be read, None where it may be had later."""
        try:
            self._fetch(path)
            return patient_of(read_file(path, up_to=LAST_TAG))
        except (Missing, Unreadable):
            return Patient()
        except (Retry, OSError):
            return None
        except Exception as bug:  # its text may name the patient: the log gets its kind alone
            log_event(Event.BUG, task="patients", file=path.name, error=type(bug).__name__)
            return Patient()
