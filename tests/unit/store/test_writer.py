"""Commits to SQLite are on disk when they return, and the disk keeps no other writer waiting."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.errors import Retry
from gateway.store.database import make_database, open_engine
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from tests.support.ledger_rows import received

Sync = Callable[[int], None]
Syncs = Callable[[Sync], None]


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    """Let a function take the place of fdatasync."""
    return lambda sync: monkeypatch.setattr(os, "fdatasync", sync)


def test_a_commit_returns_once_all_of_the_log_is_synced(ledger: Ledger, tmp_path: Path, syncs: Syncs) -> None:
    synced = []
    syncs(lambda descriptor: synced.append(_inode_and_size(os.fstat(descriptor))))
    for number in range(3):
        ledger.record_received(received(tmp_path, number))
        assert synced.pop() == _inode_and_size(_log(ledger).stat())
    assert ledger.queued() == 3
    assert synced == []  # who only reads syncs nothing


@pytest.mark.parametrize("name", ["a b", "50%", "a#b", "ü", "a\nb"])
def test_a_database_lies_in_a_folder_of_any_name(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "x.sqlite"
    file.parent.mkdir()
    make_database(file)
    for path in (file, f"/{file}"):
        with open_engine(f"sqlite:///{path}").begin() as connection:
            connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (x)")
    assert file.stat().st_size > 0


def test_sqlite_keeps_the_order_of_log_and_database(tmp_path: Path) -> None:
    make_database(tmp_path / "x.sqlite")
    engine = open_engine(f"sqlite:///{tmp_path}/x.sqlite")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 1  # NORMAL: at a checkpoint
    engine.dispose()


def test_a_log_that_cannot_be_synced_is_no_commit(ledger: Ledger, tmp_path: Path, syncs: Syncs) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    syncs(fail)
    with pytest.raises(Retry, match="cannot be synced: Input/output error"):
        ledger.record_received(received(tmp_path))
    syncs(lambda _: None)
    assert ledger.record_received(received(tmp_path)) is Arrival.RESENT  # the sender may send again


def test_after_a_sync_that_failed_nothing_is_committed_behind_the_gap(
    ledger: Ledger, tmp_path: Path, syncs: Syncs
) -> None:
    failures = [OSError(28, "No space left on device")]

    def fail_once(_: int) -> None:
        if failures:
            raise failures.pop()

    syncs(fail_once)
    with ledger.look() as other:  # so that the log stays
        assert other.execute(sa.text("SELECT count(*) FROM events")).scalar_one() == 0
        with pytest.raises(Retry, match="No space left"):
            ledger.record_received(received(tmp_path, 1))
        assert _log(ledger).stat().st_size == 0, (
            "the log begins anew; the database itself has the rows, synced"
        )
    assert ledger.record_received(received(tmp_path, 2)) is Arrival.NEW
    assert ledger.queued() == 2


def test_a_database_on_another_disk_is_opened_anew(ledger: Ledger, tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path, 1))
    file = Path(str(ledger._engine.url.database))
    with ledger.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM events")
        copy = file.with_name("copy")
        with sqlite3.connect(file) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        copy.replace(file)
        for beside in ("-wal", "-shm"):
            Path(f"{file}{beside}").unlink()
        with pytest.raises(sqlite3.OperationalError, match="its disk was exchanged"):
            connection.connection.dbapi_connection.commit()
    ledger.record_received(received(tmp_path, 2))
    with sqlite3.connect(file) as other:
        assert other.execute("SELECT count(*) FROM instances").fetchone() == (2,)


def test_others_write_while_the_disk_is_busy(ledger: Ledger, tmp_path: Path, syncs: Syncs) -> None:
    def write_elsewhere(_: int) -> None:
        syncs(lambda _: None)
        with sqlite3.connect(_log(ledger).with_name("gateway.sqlite"), timeout=0) as other:
            other.execute("DELETE FROM events")  # at once, or "database is locked"
        with ledger.transaction() as connection:  # another thread's turn
            connection.execute(sa.text("DELETE FROM events"))

    syncs(write_elsewhere)
    assert ledger.record_received(received(tmp_path)) is Arrival.NEW
    assert ledger.queued() == 1


def _log(ledger: Ledger) -> Path:
    return Path(f"{ledger._engine.url.database}-wal")


def _inode_and_size(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_size
