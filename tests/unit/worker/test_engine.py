"""The engine over SQLite: it answers what arrives, and each of its repairs mends the failure it names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import DBOS
from structlog.testing import capture_logs

from gateway.processes.couriers import couriers_of
from gateway.store.clock import now
from gateway.store.database import open_engine
from gateway.store.doorbell import Doorbells
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.pictures import Pictures
from gateway.store.retention import Cleaner
from gateway.store.workers import Workers
from gateway.worker import engine as engines
from gateway.worker import tasks
from gateway.worker.answerer import Answerer
from gateway.worker.engine import Engine
from tests.support.gateway_process import wait_for
from tests.support.ledger_rows import state
from tests.support.worker import pipeline_in, receive, settings_in

WORKER = "here-1"


@pytest.fixture
def ledger(ledger: Ledger, tmp_path: Path) -> Ledger:
    """A ledger whose bells wake the engine."""
    (tmp_path / "run").mkdir()
    return Ledger(ledger._engine, tmp_path, Doorbells(tmp_path / "run"))


@contextmanager
def running(ledger: Ledger, folder: Path) -> Iterator[Engine]:
    """Run an engine, with a watch that only the test calls."""
    settings = settings_in(folder, shutdown_seconds=5)
    pipeline, stores = pipeline_in(settings, ledger)
    database, stopping = open_engine(settings.database_url), threading.Event()
    pictures = Pictures(settings.directory.viewer_cache, 1)
    engine = Engine(
        settings,
        database,
        ledger,
        pipeline,
        stores,
        worker_id=WORKER,
        outbox=Outbox(ledger),
        answerer=Answerer(ledger, pipeline, stores),
        couriers=couriers_of(settings, ledger, WORKER, stores),
        cleaner=Cleaner(settings.retention, ledger, stores, pictures, stopping),
        stopping=stopping,
    )
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()
        database.dispose()


@pytest.fixture
def engine(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(engines, "BEAT_SECONDS", 3600.0)
    monkeypatch.setattr(engines, "REPAIR_SECONDS", 3600.0)
    with running(ledger, tmp_path) as engine:
        yield engine


def execute(ledger: Ledger, statement: str) -> None:
    with ledger.transaction() as connection:
        connection.execute(sa.text(statement))


def until_delivered(ledger: Ledger, tick: Callable[[], None] = lambda: None) -> None:
    def is_delivered() -> bool:
        tick()
        return state(ledger)[0] == "delivered"

    wait_for(is_delivered)


def test_what_arrives_is_answered_and_delivered(engine: Engine, ledger: Ledger, tmp_path: Path) -> None:
    assert engine
    receive(ledger, tmp_path)
    until_delivered(ledger)
    assert len([path for path in (tmp_path / "outbox").rglob("*") if path.is_file()]) == 2


def test_work_whose_ring_was_lost_is_late_not_lost(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "LOOK_SECONDS", 0.1)
    silent = Ledger(ledger._engine, tmp_path)
    with running(silent, tmp_path):
        receive(silent, tmp_path)
        until_delivered(silent)


def test_a_batch_that_was_claimed_and_not_begun_is_released_by_the_next_start(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker was killed between the claim and the workflow."""
    monkeypatch.setattr(engines, "RETRY_SECONDS", 0.0)
    receive(ledger, tmp_path)
    assert ledger.claim(f"{WORKER}:never begun", 1)
    with running(ledger, tmp_path):
        until_delivered(ledger)


def test_images_whose_workflow_ended_without_them_are_released(
    engine: Engine, ledger: Ledger, tmp_path: Path
) -> None:
    """The database went away while a batch was worked on: its workflow ended, its images stayed in it."""
    execute(ledger, "UPDATE destinations SET name = name")  # the database is there
    engine._stopping.set()
    receive(ledger, tmp_path)
    assert ledger.claim(f"{WORKER}:ended", 1)
    engine._free_orphans()
    assert ledger.open_batches() == [f"{WORKER}:ended"]  # its workflow may be about to begin
    engine._free_orphans()
    assert ledger.open_batches() == []
    assert state(ledger) == ("received", None)


def test_a_workflow_whose_end_could_not_be_written_is_run_again(
    engine: Engine, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full: two of these would leave the worker without work."""
    receive(ledger, tmp_path)
    until_delivered(ledger)
    (ended,) = DBOS.list_workflows()
    execute(
        ledger,
        "UPDATE workflow_status SET status = 'PENDING', output = NULL, completed_at = NULL,"
        " started_at_epoch_ms = 0",
    )
    monkeypatch.setattr(engines, "SILENT_SECONDS", 0.0)
    with capture_logs() as log:
        engine._resume_lost()
    assert [line["event"] for line in log].count("resumed") == 1  # a delivery is logged after its commit
    wait_for(lambda: DBOS.get_workflow_status(ended.workflow_id).status == "SUCCESS")


def test_what_a_silent_worker_has_begun_is_taken_over(engine: Engine, ledger: Ledger, tmp_path: Path) -> None:
    receive(ledger, tmp_path)
    until_delivered(ledger)
    Workers(ledger).beat("lost-1", "a life")
    execute(ledger, "UPDATE workflow_status SET executor_id = 'lost-1', status = 'PENDING', output = NULL")
    assert len(DBOS.list_workflows(executor_id="lost-1", status="PENDING")) == 1
    with capture_logs() as log:
        engine._take_over("lost-1")
    (told,) = [line for line in log if line["event"] == "taken_over"]  # a delivery is logged after its commit
    assert (told["worker_id"], told["workflows"]) == ("lost-1", 1)
    wait_for(lambda: not DBOS.list_workflows(status=["PENDING", "ENQUEUED"]))
    receive(ledger, tmp_path, 2)
    wait_for(lambda: state(ledger, "1.2.2")[0] == "delivered")


def test_workflows_that_ended_long_ago_are_forgotten(
    engine: Engine, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receive(ledger, tmp_path)
    until_delivered(ledger)
    assert len(DBOS.list_workflows()) == 1
    engine._forget_finished()
    assert len(DBOS.list_workflows()) == 1
    monkeypatch.setattr(engines, "KEEP_FINISHED", timedelta(seconds=-60))
    engine._forget_finished()
    assert DBOS.list_workflows() == []


class Ended(BaseException):
    """The process would have ended."""


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr("gateway.worker.engine.os._exit", end)


@pytest.mark.usefixtures("ends")
def test_a_worker_whose_batch_does_not_get_on_ends(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine._end_if_hung()  # nothing is in hand
    monkeypatch.setattr(engines, "HANGS_SECONDS", -1.0)
    engine._running.add("batch")
    with capture_logs() as log, pytest.raises(Ended):
        engine._end_if_hung()
    assert log[0]["event"] == "worker_hangs"
    engine._running.clear()


@pytest.mark.usefixtures("ends")
def test_a_worker_whose_id_was_given_to_another_ends(engine: Engine, ledger: Ledger) -> None:
    execute(ledger, "UPDATE workers SET life = 'boot namespace 1 1'")
    with capture_logs() as log, pytest.raises(Ended):
        engine._beat()
    assert log[0]["event"] == "name_taken"


def test_a_clock_that_was_set_back_lets_nothing_wait(engine: Engine, ledger: Ledger, tmp_path: Path) -> None:
    receive(ledger, tmp_path)
    with ledger.transaction() as connection:
        later = now() + timedelta(hours=5)
        connection.execute(
            sa.text("UPDATE workers SET beat_at = :later"), {"later": later.replace(tzinfo=None)}
        )
    with capture_logs() as log:
        engine._beat()
    assert "clock_set_back" in [line["event"] for line in log]
    until_delivered(ledger)
