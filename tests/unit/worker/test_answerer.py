"""A batch: outcomes are recorded once, what cannot be answered now waits, a bug ends its image alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.errors import Retry
from gateway.store.entries import StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.schema import instances
from gateway.worker.answerer import ATTEMPTS_TOGETHER, Answerer
from gateway.worker.ends import Settled
from gateway.worker.pipeline import Pipeline
from tests.support.ledger_rows import state
from tests.support.worker import folders_in, pipeline_in, receive, settings_in


@pytest.fixture
def pipeline(ledger: Ledger, tmp_path: Path) -> Pipeline:
    return pipeline_in(settings_in(tmp_path), ledger)[0]


class Failing(Pipeline):
    """A pipeline that fails where one image is in the batch."""

    def __init__(self, error: Exception, pipeline: Pipeline, sop_instance_uid: str = "1.2.1") -> None:
        self._error = error
        self._pipeline = pipeline
        self._sop_instance_uid = sop_instance_uid

    def answer(
        self, instances: Sequence[StoredInstance], note_progress: Callable[[], None] = lambda: None
    ) -> list[Settled]:
        if self._sop_instance_uid in [each.sop_instance_uid for each in instances]:
            raise self._error
        return self._pipeline.answer(instances, note_progress)


def claim(ledger: Ledger, batch: str) -> None:
    assert ledger.claim(batch, 10)


def attempts(ledger: Ledger, **values: int) -> list[int]:
    """Return how often each image was begun; set it first where that is asked for."""
    with ledger.transaction() as connection:
        if values:
            connection.execute(sa.update(instances).values(values))
        return list(connection.scalars(sa.select(instances.c.attempts).order_by(instances.c.id)))


def test_a_batch_is_answered_once(ledger: Ledger, pipeline: Pipeline, tmp_path: Path) -> None:
    receive(ledger, tmp_path)
    claim(ledger, "a")
    answerer = Answerer(ledger, pipeline, folders_in(tmp_path))
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
    Answerer(ledger, Failing(error, pipeline), folders_in(tmp_path)).answer("a", lambda: None)
    assert state(ledger) == ("received", None)
    assert ledger.open_batches() == []
    assert attempts(ledger) == [counted]


def test_a_bug_ends_the_image_that_causes_it_and_the_others_are_answered(
    ledger: Ledger, pipeline: Pipeline, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        receive(ledger, tmp_path, number)
    claim(ledger, "a")
    attempts(ledger, attempts=ATTEMPTS_TOGETHER)  # the batch has failed so often
    failing, progress = Failing(ZeroDivisionError(), pipeline, "1.2.2"), list[None]()
    Answerer(ledger, failing, folders_in(tmp_path)).answer("a", lambda: progress.append(None))
    assert [state(ledger, f"1.2.{number}") for number in (1, 2, 3)] == [
        ("inferred", None),
        ("failed", "internal_error"),
        ("inferred", None),
    ]
    assert progress
