"""A source: a place from which studies are fetched. One class for each kind implements `Source`.

The puller and the doctor ask through it. Nothing outside a source's own
module knows of which kind it is.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from gateway.errors import Retry
from gateway.pull.query import Found, FoundSeries, Query
from gateway.store.entries import FoundInstance


class SourceAway(Retry):
    """The source takes no requests now, for a reason that is no study's: it is asked again later.

    Attributes
    ----------
    retry_after
        Seconds for which it asks to be left alone.
    """

    def __init__(self, problem: str, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class NoRoom(Retry):
    """The gateway itself has no room for more images now."""


class Session(Protocol):
    """A run of questions to one source; used by one thread.

    Methods raise `SourceAway` where no study is to blame, and `Retry` where an exchange about this one
    failed.
    """

    def studies(self, query: Query) -> Found:
        """Return the studies that match."""
        ...

    def series(self, study_instance_uid: str) -> list[FoundSeries]:
        """Return the series of a study."""
        ...

    def instances(self, study_instance_uid: str, series_instance_uid: str) -> list[FoundInstance]:
        """Return the instances of a series."""
        ...

    def fetch(self, study_instance_uid: str, wanted: Sequence[FoundInstance], *, one_by_one: bool) -> str:
        """Fetch instances of a study into the intake.

        Whatever the source says of it, only the ledger knows what has come.

        Parameters
        ----------
        one_by_one
            Ask for each instance, not for whole series.

        Returns
        -------
        What the source said to be wrong, as the end of a sentence; empty where it said that all went well.

        Raises
        ------
        NoRoom
            If the intake had no room.
        """
        ...


class Source(Protocol):
    """One configured source.

    Attributes
    ----------
    name
        In the settings and in the ledger.
    arrival_seconds
        How long what was fetched may still come after the source has said that it is done; 0 where it comes
        over the session's own connection.
    """

    name: str
    arrival_seconds: float

    def session(self, stopping: threading.Event) -> AbstractContextManager[Session]:
        """Open a run of questions; nothing is connected before the first one.

        Parameters
        ----------
        stopping
            Once set, an exchange under way ends within seconds.
        """
        ...
