"""A back-fill that is killed goes on where it was: no image twice, none missing."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.store.ledger import Ledger
from gateway.store.pulls import Pulls
from gateway.store.schema import events, instances
from tests.support.archive_in_memory import MemorySource
from tests.support.backfill import QUERY, cohort
from tests.support.database import database_in

STEPS = ("series", "instances", "receive", "settle")


class Killed(BaseException):
    """Stands for the end of the process: nothing of the puller runs any more."""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("times", [1, 3])
def test_an_end_at_any_step_leaves_a_study_that_is_taken_up(tmp_path: Path, step: str, times: int) -> None:
    engine = database_in(tmp_path)
    source = MemorySource(Ledger(engine, tmp_path), tmp_path, cohort(3))
    left = times

    def end(at: str, _: str) -> None:
        nonlocal left
        if at == step and left:
            left -= 1
            raise Killed

    source.before = end
    source.puller().find(QUERY)
    for _ in range(times):
        with pytest.raises(Killed):
            source.puller().run()
    source.puller().run()
    assert Pulls(source.ledger).counts() == {"pacs": {"complete": 3}}
    assert_once(engine, 3)


@pytest.mark.parametrize("step", ["series", "instances", "receive"])
def test_a_study_that_ends_the_process_every_time_is_given_up_and_the_others_are_fetched(
    tmp_path: Path, step: str
) -> None:
    engine = database_in(tmp_path)
    source = MemorySource(Ledger(engine, tmp_path), tmp_path, cohort(3))
    source.puller().find(QUERY)

    def end(at: str, study: str) -> None:
        if (at, study) == (step, "1.2.2"):
            raise Killed

    source.before = end
    for _ in range(8):
        with pytest.raises(Killed):
            source.puller().run()
    source.puller().run()
    assert Pulls(source.ledger).counts() == {"pacs": {"complete": 2, "given_up": 1}}
    engine.dispose()


def kill_and_resume(folder: Path, studies: int, kills: int) -> None:
    """Run a back-fill to its end; kill it after random numbers of studies."""
    dice = random.Random(studies)  # noqa: S311 - a test's
    command = [sys.executable, "-m", "tests.support.backfill", str(folder), str(studies)]
    root = Path(__file__).parents[2]
    for _ in range(kills):
        lives = dice.randrange(1, max(2, studies // (kills + 1)))
        child = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        for _ in range(lives):
            if not child.stdout.readline():
                break
        child.kill()
        child.wait()
        child.stdout.close()
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)


def assert_once(engine: sa.Engine, studies: int) -> None:
    """Every instance has one row, and was received once or sent again after its row was committed."""
    expected = sorted(uid for uids in cohort(studies).values() for uid in uids)
    with engine.connect() as connection:
        rows = list(connection.scalars(sa.select(instances.c.sop_instance_uid)))
        new = sa.select(sa.func.count()).where(events.c.data["arrival"].as_string() == "new")
        assert sorted(rows) == expected
        assert connection.scalar(new) == len(expected)
    engine.dispose()


def test_a_back_fill_that_is_killed_goes_on(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, studies=60, kills=3)
    engine = database_in(tmp_path)
    assert Pulls(Ledger(engine, tmp_path)).counts() == {"pacs": {"complete": 60}}
    assert_once(engine, 60)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
def test_a_cohort_of_ten_thousand_studies_survives_twenty_kills(tmp_path: Path) -> None:
    kill_and_resume(tmp_path, studies=10_000, kills=20)
    engine = database_in(tmp_path)
    assert Pulls(Ledger(engine, tmp_path)).counts() == {"pacs": {"complete": 10_000}}
    assert_once(engine, 10_000)
