"""Writes the score of every validation image of a stage, from which arms are compared. `train` calls it."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

COLUMNS = ("region", "part", "source", "label", "file", "score")


class Scored(NamedTuple):
    """An image as `region` shows it; `label` is 1, 0, or empty where the image has none."""

    region: str
    part: str
    source: str
    label: str
    file: str
    score: float


def write_scores(path: Path, scored: Iterable[Scored]) -> None:
    """Write one line for each image."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(each._replace(score=f"{each.score:.6f}") for each in scored)  # type: ignore[arg-type]


def read_scores(path: Path) -> list[Scored]:
    """Read what `write_scores` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        next(lines := csv.reader(file))
        return [
            Scored(region, part, source, label, name, float(score))
            for region, part, source, label, name, score in lines
        ]
