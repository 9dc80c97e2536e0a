"""The role `work`: a start that the database interrupts."""

import os
from typing import Any, NoReturn, cast

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from gateway.processes.worker import Worker


class Unstartable:
    def __init__(self, error: Exception) -> None:
        self._error = error

    def start(self) -> NoReturn:
        raise self._error


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (sa.exc.OperationalError("SELECT 1", None, Exception("server closed the connection")), "waiting"),
        (ZeroDivisionError("a bug"), "bug"),
    ],
)
def test_a_worker_that_cannot_start_says_why_and_ends(
    error: Exception, event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(status: int) -> NoReturn:
        assert status == 1
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", end)
    nothing = cast(Any, None)
    with capture_logs() as logs, pytest.raises(SystemExit):
        Worker(nothing, cast(Any, Unstartable(error)), nothing, "worker-1").start()
    assert [(entry["event"], entry["task"]) for entry in logs] == [(event, "start")]
