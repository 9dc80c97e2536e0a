"""A connection to SQLite that takes turns with the other writers of its machine and syncs what it commits.

`open_engine` uses it. SQLite in WAL with synchronous=FULL syncs its log while it holds the write lock: where
images of 10 MB are written to the same disk, each transaction then keeps all others waiting for 10 to 20 ms.
This connection syncs the log when the lock is free again and before `commit` returns, so that commits are as
lasting, and one sync of the disk serves all that wait for it.

A connection outlives its file where the disk below it is exchanged or mounted again: `is_current` tells.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote

from gateway.store.turns import Turns

AWAY = "its disk was exchanged or is away"
LOCK_WAIT_MS = 10_000  # a sender that waits 30 s, as is usual, still hears of a longer lock


class Writer(sqlite3.Connection):
    """One connection, for one thread at a time; `prepare` comes first."""

    _turns: Turns
    _gap: Event  # in the log: a sync failed, and the system drops what it could not write, and says so once
    _has_turn = False
    _log: Path | None = None  # what is committed lies there; None where SQLite itself syncs
    _descriptor: int | None = None  # of the log, kept open: only who had it open hears of a failure of others
    _file: Path | None = None  # None in memory
    _identity: tuple[int, int] | None = None

    def __init__(self, database: str, **options: Any) -> None:
        """Open a file that is there: where its disk is not mounted, no other one takes its place.

        Raises
        ------
        sqlite3.OperationalError
            If it is not there, or cannot be opened.
        """
        path = quote(os.fsencode(Path(database).absolute()))
        try:
            super().__init__(f"file://{path}?mode=rw", uri=True, **options)
        except sqlite3.OperationalError as error:
            if not Path(database).exists():
                raise sqlite3.OperationalError(f"{database} is not there: is its disk mounted?") from error
            raise

    def prepare(self, turns: Turns, gap: Event) -> None:
        """Set how the connection locks and syncs; the connections of a process share both values."""
        self._turns = turns
        self._gap = gap
        self.isolation_level = "IMMEDIATE"  # a writer waits for its turn instead of failing half-way
        self.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")
        (mode,) = self.execute("PRAGMA journal_mode=WAL").fetchone()
        (_, _, file), *_ = self.execute("PRAGMA database_list")
        if file:
            self._file = Path(file)
            self._identity = _identity_of(self._file)
        if mode == "wal":
            self._log = Path(f"{file}-wal")
        self.execute(f"PRAGMA synchronous={'NORMAL' if self._log else 'EXTRA'}")  # as durable without WAL
        self.execute("PRAGMA foreign_keys=ON")

    def take_turn(self) -> None:
        """Wait until this connection may write; it keeps the turn until the transaction ends.

        Raises
        ------
        sqlite3.OperationalError
            If the turn does not come in time.
        """
        if self._has_turn:
            return
        if not self._turns.take(LOCK_WAIT_MS / 1000):
            raise sqlite3.OperationalError("database is locked by other writers of this machine")
        self._has_turn = True

    def give_turn(self) -> None:
        """Let the next writer in; nothing happens where this connection has no turn."""
        if self._has_turn:
            self._has_turn = False
            self._turns.give()

    def commit(self) -> None:
        """Commit; what was written is on disk when this returns.

        Raises
        ------
        sqlite3.OperationalError
            If the disk does not say so; the rows may be there all the same.
        """
        log = self._log if self.in_transaction else None
        if log is not None and not self.is_current():
            self.rollback()
            raise sqlite3.OperationalError(f"{self._file} is not the file that was opened: {AWAY}")
        super().commit()
        self.give_turn()
        if log is not None:
            self._sync(log)

    def is_current(self) -> bool:
        """Tell whether the path of the database still names the file that was opened."""
        return self._file is None or _identity_of(self._file) == self._identity

    def close(self) -> None:
        """Close the connection."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        super().close()

    def _sync(self, log: Path) -> None:
        try:
            if self._descriptor is None:
                self._descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._gap.set()
            with suppress(sqlite3.Error):  # else with the next commit
                self._begin_new_log(log)
            raise sqlite3.OperationalError(f"{log} cannot be synced: {error.strerror}") from error
        if self._gap.is_set():
            self._begin_new_log(log)

    def _begin_new_log(self, log: Path) -> None:
        """Move what the log has into the database, synced: behind a gap nothing of a log is read again."""
        (is_busy, _, _) = self.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_busy:
            raise sqlite3.OperationalError(f"{log} could not be synced once, and is still in use")
        self._gap.clear()


def _identity_of(file: Path) -> tuple[int, int] | None:
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino
