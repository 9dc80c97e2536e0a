"""Opens the folders of images and results for a role."""

from __future__ import annotations

from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.marks import Marks, marks_of
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event


def open_marks(settings: Settings, ledger: Ledger) -> Marks:
    """Return the marks of both folders; log each folder that is not there: its images wait.

    Raises
    ------
    ConfigurationError, Retry, OSError
        See `mark_of`.
    """
    marks = marks_of(settings.directory, ledger)
    for mark in marks:
        problem = mark.problem()
        if problem:
            log_event(Event.FOLDER_AWAY, folder=str(mark.root), reason=problem)
    return marks
