"""Compares trained stages by images of hospitals that none of them knows.

`python -m benchmarks.compare_arms FOLDER [--mean NAME=STAGE+STAGE ...]` prints a row for each stage and
region, and for the mean log-odds of several stages. Columns: AUC of JSRT's normals against the pneumonias of
Hannover, Cohen and Figure 1, and of UNIFESP's unlabelled frontal chests against them; specificity where 90 %
of these pneumonias are found, and the share of UNIFESP called pneumonia there; specificity, sensitivity and
that share at 0.5; the children.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.training.evaluation.figures import auc_between
from gateway.training.scores import Scored, read_scores
from gateway.training.validation import BORROWED, STRANGE

SENSITIVITY = 0.9
NORMALS, SICK, UNLABELLED = ("jsrt",), ("hannover", "cohen", "figure1"), ("unifesp-frontal",)
HEAD = (
    "stage, region                        AUC, of UNIFESP; spec, UNIFESP; at 0.5: spec, sens, UNIFESP; "
    "children: AUC borrowed, strange; spec, sens strange"
)

Odds = NDArray[np.float64]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mean", nargs="*", default=[], metavar="NAME=STAGE+STAGE")
    asked = parser.parse_args()
    print(HEAD)
    stages = {path.parent.name: read_scores(path) for path in sorted(asked.folder.glob("*/scores.csv"))}
    for name, scored in stages.items():
        report = json.loads((asked.folder / name / "report.json").read_text(encoding="utf-8"))
        for row in rows(name, scored, children(report["validation"]["kermany"])):
            print(row)
    for mean in asked.mean:
        name, _, members = mean.partition("=")
        for row in rows(name, mean_of([stages[member] for member in members.split("+")]), ""):
            print(row)


def mean_of(stages: list[list[Scored]]) -> list[Scored]:
    """Return the scores of the mean log-odds of several stages."""
    odds = np.mean([_odds(scored) for scored in stages], axis=0)
    scores = 1 / (1 + np.exp(-odds))
    return [each._replace(score=float(score)) for each, score in zip(stages[0], scores, strict=True)]


def rows(name: str, scored: list[Scored], of_children: str) -> Iterator[str]:
    """Yield the row of each region."""
    for region in dict.fromkeys(each.region for each in scored):
        of = [each for each in scored if each.region == region]
        normal = _of(of, "external", NORMALS, "0")
        sick = _of(of, "external", SICK, "1")
        strange = _of(of, "unlabelled", UNLABELLED, "")
        threshold = np.quantile(sick, 1 - SENSITIVITY)
        figures = (
            auc_between(normal, sick),
            auc_between(strange, sick),
            (normal < threshold).mean(),
            (strange >= threshold).mean(),
            (normal < 0.5).mean(),
            (sick >= 0.5).mean(),
            (strange >= 0.5).mean(),
        )
        print_name = f"{name}, {region}"
        yield f"{print_name:<36} " + "  ".join(f"{figure:.3f}" for figure in figures) + of_children


def children(changes: dict[str, dict[str, float]]) -> str:
    """Return the figures of the children's validation images."""
    borrowed = np.mean([changes[name]["auc"] for name in BORROWED])
    strange = changes.get(STRANGE, {})
    figures = [float(borrowed), *(strange.get(key, np.nan) for key in ("auc", "specificity", "sensitivity"))]
    return "   " + "  ".join(f"{figure:.3f}" for figure in figures)


def _of(scored: list[Scored], part: str, sources: tuple[str, ...], label: str) -> Odds:
    found = [e.score for e in scored if e.part == part and e.source in sources and e.label == label]
    return np.array(found, np.float64)


def _odds(scored: list[Scored]) -> Odds:
    scores = np.array([each.score for each in scored]).clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(scores / (1 - scores)), np.float64)


if __name__ == "__main__":
    main()
