"""A connection to SQLite that takes turns with the other writers of its machine and syncs what it commits.

`open_engine` uses it. SQLite in WAL with synchronous=FULL syncs its log while it holds the write lock: where
images of 10 MB are written to the same disk, each transaction then keeps all others waiting for 10 to 20 ms.
This connection syncs the log when the lock is free again and before `commit` returns, so that commits are as
lasting, and one sync of the disk serves all that wait for it.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from gateway.store.turns import Turns

LOCK_WAIT_MS = 10_000  # a sender that waits 30 s, as is usual, still hears of a longer lock


class Writer(sqlite3.Connection):
    """One connection, for one thread at a time; `prepare` comes first."""

    _turns: Turns
    _has_turn = False
    _log: Path | None = None  # what is committed lies there; None where SQLite itself syncs

    def prepare(self, turns: Turns) -> None:
        """Set how the connection locks and syncs; the connections of a process share their `turns`."""
        self._turns = turns
        self.isolation_level = "IMMEDIATE"  # a writer waits for its turn instead of failing half-way
        self.execute(f"PRAGMA busy_timeout={LOCK_WAIT_MS}")
        (mode,) = self.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode == "wal":
            (_, _, file), *_ = self.execute("PRAGMA database_list")
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
        super().commit()
        self.give_turn()
        if log is not None:
            _sync(log)


def _sync(log: Path) -> None:
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise sqlite3.OperationalError(f"{log} cannot be synced: {error.strerror}") from error
