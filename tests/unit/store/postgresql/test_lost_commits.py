"""Commits to PostgreSQL whose answer is lost: images are acknowledged once, and nothing is recorded twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from gateway.errors import Retry
from gateway.store.arrivals import Receipt, record_receipts
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.postgresql import Connection
from gateway.store.queries.images import Images
from gateway.store.schema import answers
from tests.support.commit_thief import CommitThief, Theft
from tests.support.gateway_process import wait_for
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.postgresql import PostgreSQL, ledger_at


@pytest.fixture
def thief(server: PostgreSQL) -> Iterator[CommitThief]:
    with CommitThief(server.port) as thief:
        yield thief


def through(thief: CommitThief) -> str:
    return f"postgresql://gateway@127.0.0.1:{thief.port}/postgres"


def history(ledger: Ledger) -> list[str]:
    (image,) = Images(ledger).newest()
    return [event.event for event in Images(ledger).versions(image.sop_instance_uid)[0].events]


@pytest.mark.parametrize("theft", [Theft.ANSWER, Theft.SILENCE], ids=lambda theft: theft.name)
def test_an_image_whose_commit_was_not_answered_is_looked_up_before_the_sender_hears(
    thief: CommitThief, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theft: Theft
) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        monkeypatch.setattr(Connection, "patience", 5.0)
        with capture_logs() as log, thief.steals(theft):
            assert ledger.record_received(received(tmp_path)) is Arrival.NEW
        assert [entry["event"] for entry in log] == ["received"]
        assert (ledger.queued(), history(ledger)) == (1, ["received"])


def test_an_image_whose_commit_never_reached_the_server_is_not_acknowledged(
    thief: CommitThief, tmp_path: Path
) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        with capture_logs() as log, thief.steals(Theft.COMMIT), pytest.raises(Retry):
            ledger.record_received(received(tmp_path))
        assert log == []
        assert ledger.record_received(received(tmp_path)) is Arrival.NEW
        assert (ledger.queued(), history(ledger)) == (1, ["received"])


def test_images_that_share_a_lost_commit_are_each_acknowledged(thief: CommitThief, tmp_path: Path) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        ledger.record_received(received(tmp_path, 2))
        receipts = [Receipt(received(tmp_path, number), 0, None) for number in (1, 2, 3)]
        with thief.steals(Theft.ANSWER), ledger.session() as session:
            arrivals = record_receipts(session, receipts, ledger.relative)
        assert arrivals == [Arrival.NEW, Arrival.RESENT, Arrival.NEW]
        assert ledger.queued() == 3


def test_an_answer_whose_commit_was_not_answered_is_recorded_once(thief: CommitThief, tmp_path: Path) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        ledger.record_received(received(tmp_path))
        (image,) = claim(ledger, "batch")
        with capture_logs() as log, thief.steals(Theft.ANSWER):
            assert record_answer(ledger, image, answer(tmp_path, "pacs"))
        assert [entry["event"] for entry in log].count("inferred") == 1
        assert state(ledger) == ("inferred", None)
        with ledger.transaction() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(answers)) == 1


def test_a_commit_that_cannot_be_looked_up_is_for_later_and_the_image_is_known_when_it_comes_again(
    server: PostgreSQL, thief: CommitThief, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ledger_at(through(thief), tmp_path) as ledger:
        commit = type(ledger._engine.dialect).do_commit

        def commit_and_crash(self: sa.Dialect, connection: object) -> None:
            try:
                commit(self, connection)
            finally:
                server.crash()

        monkeypatch.setattr(type(ledger._engine.dialect), "do_commit", commit_and_crash)
        with thief.steals(Theft.ANSWER), pytest.raises(Retry):
            ledger.record_received(received(tmp_path))
        monkeypatch.undo()
        server.start()
        assert ledger.record_received(received(tmp_path)) is Arrival.RESENT
        assert ledger.queued() == 1


@contextmanager
def cancelling_commits_that_wait(server: PostgreSQL) -> Iterator[None]:
    """Let commits wait for a standby that there is not, and cancel each wait, as an administrator may."""
    waiting = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    over = threading.Event()

    def cancel() -> None:
        while not over.wait(0.02):
            admin.execute(waiting)

    with psycopg.connect(server.url, autocommit=True) as admin, ThreadPoolExecutor() as pool:
        admin.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        admin.execute("SELECT pg_reload_conf()")
        cancelling = pool.submit(cancel)
        try:
            yield
        finally:
            over.set()
            cancelling.result()
            admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
            admin.execute("SELECT pg_reload_conf()")


def test_an_image_that_the_standby_may_lack_as_the_wait_for_it_was_cancelled_is_not_acknowledged(
    server: PostgreSQL, ledger: Ledger, tmp_path: Path
) -> None:
    with capture_logs() as log, cancelling_commits_that_wait(server):
        wait_for(lambda: waits_for_standby(ledger))
        with pytest.raises(Retry, match="canceling wait for synchronous replication"):
            ledger.record_received(received(tmp_path))
    assert log == []
    wait_for(lambda: not waits_for_standby(ledger))
    assert ledger.record_received(received(tmp_path)) is Arrival.RESENT


def waits_for_standby(ledger: Ledger) -> bool:
    with ledger.look() as connection:
        return bool(connection.exec_driver_sql("SHOW synchronous_standby_names").scalar())
