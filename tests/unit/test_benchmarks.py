"""Measurements whose parts change with the gateway: `make bench` takes minutes, and must not end half-way."""

from __future__ import annotations

from pathlib import Path

from benchmarks import receive, stages
from benchmarks.figure import Effort
from tests.conftest import Find

ONE_ROUND = Effort(repeats=1, rounds=1, received=1, answered=1, predicted=1, idle_seconds=0)


def test_the_stages_of_an_image_are_measured_up_to_both_deliveries(tmp_path: Path, dcmtk: Find) -> None:
    dcmtk("storescp")
    figures = {figure.name: figure.value for figure in stages.measure(tmp_path, ONE_ROUND)}
    stages_of_time = {name for name in figures if name.startswith("stage: ")}
    assert {"stage: SR", "stage: SC", *(f"stage: {each}" for each in stages.DELIVERIES)} <= stages_of_time
    assert all(value > 0 for value in figures.values())


def test_the_receiver_that_is_measured_listens(tmp_path: Path) -> None:
    with receive._gateway(tmp_path) as listener:
        assert listener.port
