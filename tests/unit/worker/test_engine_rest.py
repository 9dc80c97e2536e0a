"""DBOS rests between its looks for new queues."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.worker import engine


def test_dbos_looks_for_new_queues_at_once_and_after_its_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 100.0, 100.1, 100.0 + engine.REST_SECONDS, 100.0 + engine.REST_SECONDS])
    monkeypatch.setattr(engine, "time", SimpleNamespace(monotonic=lambda: next(times)))
    looks: list[dict[str, Any]] = []

    def list_queues(**which: Any) -> list[str]:
        looks.append(which)
        return ["answers"]

    dbos = SimpleNamespace(_sys_db=SimpleNamespace(list_queues=list_queues))
    engine._look_for_queues_seldom(cast(Any, dbos))

    assert dbos._sys_db.list_queues(application_name="cxr-gateway") == ["answers"]
    assert dbos._sys_db.list_queues(application_name="cxr-gateway") == []
    assert dbos._sys_db.list_queues(application_name="cxr-gateway") == ["answers"]
    assert looks == 2 * [{"application_name": "cxr-gateway"}]
