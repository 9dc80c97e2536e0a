"""A batch: outcomes are recorded once, what cannot be answered now waits, and a suspect is answered alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.errors import Retry
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.schema import instances
from gateway.worker.answerer import ATTEMPTS_TOGETHER, DEATHS, Answerer
from gateway.worker.pipeline import Pipeline, Settled
from tests.support.ledger_rows import state
from tests.support.worker import pipeline_in, receive, settings_in


@pytest.fixture
def pipeline(ledger: Ledger, tmp_path: Path) -> Pipeline:
    return pipeline_in(settings_in(tmp_path), ledger)[0]


class Alone:
    """Answers suspects in this process, but for the one that ends it."""

    def __init__(self, pipeline: Pipeline, poison: str = "") -> None:
        self._pipeline = pipeline
        self._poison = poison
        self.asked: list[str] = []

    def answer(self, instance: StoredInstance) -> Settled | None:
        self.asked.append(instance.sop_instance_uid)
        if instance.sop_instance_uid == self._poison:
            return None
        return self._pipeline.answer([instance])[0]


class Failing(Pipeline):
    """A pipeline that fails as a whole."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def answer(self, instances: Sequence[StoredInstance]) -> list[Settled]:
        assert instances
        raise self._error


def claim(ledger: Ledger, batch: str) -> None:
    with ledger.transaction() as connection:
        assert ledger.claim(connection, batch, 10)


def attempts(ledger: Ledger, **values: int) -> list[int]:
    """Return how often each image was begun; set it first where that is asked for."""
    with ledger.transaction() as connection:
        if values:
            connection.execute(sa.update(instances).values(values))
        return list(connection.scalars(sa.select(instances.c.attempts).order_by(instances.c.id)))


def test_a_batch_is_answered_once(ledger: Ledger, pipeline: Pipeline, tmp_path: Path) -> None:
    receive(ledger, tmp_path)
    claim(ledger, "a")
    answerer = Answerer(ledger, pipeline, Alone(pipeline))
    for _ in range(2):  # as after a kill between the answer and the workflow's end
        answerer.answer("a", lambda: None)
    assert state(ledger) == ("inferred", None)
    assert len(list((tmp_path / "results").rglob("*.dcm"))) == 2


@pytest.mark.parametrize(("error", "counted"), [(Retry("away"), 0), (ZeroDivisionError(), 1)])
def test_a_batch_that_fails_waits_and_only_a_bug_is_counted(
    ledger: Ledger, pipeline: Pipeline, tmp_path: Path, error: Exception, counted: int
) -> None:
    receive(ledger, tmp_path)
    claim(ledger, "a")
    Answerer(ledger, Failing(error), Alone(pipeline)).answer("a", lambda: None)
    assert state(ledger) == ("received", None)
    assert ledger.open_batches() == []
    assert attempts(ledger) == [counted]


def test_a_poison_image_is_named_and_the_others_are_answered(
    ledger: Ledger, pipeline: Pipeline, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        receive(ledger, tmp_path, number)
    claim(ledger, "a")
    attempts(ledger, attempts=ATTEMPTS_TOGETHER)  # its worker has ended so often with this batch in hand
    alone, progress = Alone(pipeline, poison="1.2.2"), list[None]()
    Answerer(ledger, pipeline, alone).answer("a", lambda: progress.append(None))
    assert [state(ledger, f"1.2.{number}") for number in (1, 2, 3)] == [
        ("inferred", None),
        ("failed", "poison"),
        ("inferred", None),
    ]
    assert alone.asked.count("1.2.2") == DEATHS
    assert len(progress) == 3  # each has its own time


def test_a_bug_met_by_a_suspect_is_its_end(ledger: Ledger, pipeline: Pipeline, tmp_path: Path) -> None:
    class Broken(Alone):
        def answer(self, instance: StoredInstance) -> Settled | None:
            raise ZeroDivisionError(instance.sop_instance_uid)

    receive(ledger, tmp_path)
    claim(ledger, "a")
    attempts(ledger, attempts=ATTEMPTS_TOGETHER)
    Answerer(ledger, pipeline, Broken(pipeline)).answer("a", lambda: None)
    assert state(ledger) == ("failed", "internal_error")
