"""The doctor reads from the ledger how the couriers fare, and from the supervisor's file how the roles do."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.doctor.finding import Severity
from gateway.doctor.model import model
from gateway.doctor.processes import processes
from gateway.doctor.storage import database
from gateway.settings import Settings
from gateway.store.clock import now
from gateway.store.opening import open_database
from gateway.store.outbox import Outbox
from gateway.store.workers import Workers
from gateway.telemetry.role_status import RoleStatusFile
from gateway.worker.answering import answering_of
from gateway.worker.inference import open_predictor
from tests.support.command_line import run_command


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "var")


@pytest.fixture
def outbox(settings: Settings) -> Iterator[Outbox]:
    engine, ledger = open_database(settings)
    outbox = Outbox(ledger)
    outbox.add_destination("outbox")
    yield outbox
    engine.dispose()


def told(settings: Settings) -> dict[str, Severity]:
    return {finding.told: finding.verdict for finding in database(settings)}


def test_a_destination_that_is_away_is_doubtful(settings: Settings, outbox: Outbox) -> None:
    outbox.record_away("outbox", "no such folder", 60)
    assert told(settings)["outbox was away at the last attempt: no such folder"] is Severity.DOUBTFUL
    outbox.record_reached("outbox")
    assert set(told(settings).values()) == {Severity.GOOD}


def test_a_delivery_that_hangs_is_wrong(settings: Settings, outbox: Outbox) -> None:
    since = now()
    outbox.record_hang("outbox", since)
    problem = f"a delivery to outbox has been in hand since {since:%H:%M:%S} UTC, far beyond its timeouts"
    assert told(settings)[problem] is Severity.WRONG
    outbox.record_hang("outbox", None)
    assert set(told(settings).values()) == {Severity.GOOD}


def test_a_role_that_died_is_told_by_doctor_and_health(settings: Settings, tmp_path: Path) -> None:
    config = tmp_path / "gateway.yaml"
    config.write_text(f"data_dir: {settings.data_dir}\n")
    done = run_command("health", "--config", config)
    assert (done.returncode, "no gateway runs here" in done.stderr) == (1, True)

    path = settings.directory.role_status
    path.parent.mkdir(parents=True)
    status = RoleStatusFile(path)
    status.note("receive", "serving")
    status.note("work 0", "serving")
    assert [finding.verdict for finding in processes(settings)] == [Severity.GOOD]
    assert run_command("health", "--config", config).stdout == "receive, work 0: all serve\n"

    status.note("work 0", "dead", "exit status 1")
    (finding,) = processes(settings)
    assert (finding.verdict, finding.told) == (Severity.WRONG, "is dead: exit status 1")
    done = run_command("health", "--config", config)
    assert (done.returncode, "work 0 is dead" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"engine": "that of another host"}, []),
        ({"threshold": 0.7}, ["a running worker answers with threshold 0.7, not 0.5 of these settings"]),
    ],
)
def test_a_worker_that_began_with_another_model_is_told(
    settings: Settings, changes: dict[str, Any], told: list[str]
) -> None:
    engine, ledger = open_database(settings)
    identity = replace(open_predictor(settings).identity, **changes)
    Workers(ledger).beat("a worker", answering=answering_of(settings, identity))
    engine.dispose()
    assert [each.told for each in model(settings) if each.told.startswith("a running worker")] == told
