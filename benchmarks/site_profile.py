"""Compares shares of a site's batch-norm statistics on held-out images of the same site.

`python -m benchmarks.site_profile NORMAL SICK [--shift NAME] [--model PATH]` prints a table. Normal images
are drawn at random for statistics and threshold; figures are of the others and of the sick ones. A shift
makes a strange site of a known one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from gateway.commissioning.cross_validation import threshold_at
from gateway.commissioning.fitting import Fitting
from gateway.model.choice import EngineRules
from gateway.model.predictor import SHIPPED, Predictor, read_model
from gateway.training.evaluation.dataset import load_input
from gateway.training.evaluation.shifts import SHIFTS

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SPECIFICITY = 0.9

Floats = NDArray[np.float32]


def main() -> None:
    """Print a row for each share: the mean over the draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("normal", type=Path)
    parser.add_argument("sick", type=Path)
    parser.add_argument("--shift", choices=SHIFTS, default="as it is")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--number", type=int, default=20, help="normal images for the statistics")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    asked = parser.parse_args()
    card, model = read_model(asked.model or SHIPPED)
    limit = card.abstention.distance if card.abstention else float("inf")
    predictor = Predictor.open(asked.model, EngineRules("torch", device="cpu", threads=1))
    normal, sick = (seen(predictor, folder, asked.shift) for folder in (asked.normal, asked.sick))
    print(
        f"{asked.shift}: {len(normal)} normal, {len(sick)} sick, {asked.number} drawn. Share of statistics;"
    )
    print("AUC, sensitivity at specificity 0.9; refused of normal and of sick; specificity and sensitivity")
    print("at 0.5; the same at the threshold for specificity 0.9 of the drawn ones")
    for share in asked.shares:
        fitting = Fitting(model.state, model.detector, share)
        drawn = list(draws(fitting, normal, sick, asked.number, asked.repeats, limit))
        print(f"{share:>5g}  " + "  ".join(f"{value:.3f}" for value in np.mean(drawn, axis=0)), flush=True)


def draws(
    fitting: Fitting, normal: Floats, sick: Floats, number: int, repeats: int, limit: float
) -> Iterator[tuple[float, ...]]:
    """Yield the figures of each draw of so many normal images; `limit` is of the distance."""
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(len(normal))
        fitting.fit(normal[order[:number]])
        (own, _), (negative, near), (positive, far) = (
            fitting.score(images) for images in (normal[order[:number]], normal[order[number:]], sick)
        )
        threshold = threshold_at(own.astype(np.float64), SPECIFICITY)
        yield (
            float((positive[:, None] > negative).mean()),
            float((positive >= np.quantile(negative, SPECIFICITY)).mean()),
            float((near >= limit).mean()),
            float((far >= limit).mean()),
            *(float(part.mean()) for at in (0, threshold) for part in (negative < at, positive >= at)),
        )


def seen(predictor: Predictor, folder: Path, shift: str) -> Floats:
    """Return what the classifier sees of the images in a folder, shifted before it looks."""
    kept = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        grey = torch.from_numpy(load_input(path)[None, :1]) / 2 + 0.5
        shifted = SHIFTS[shift](grey).clamp(0, 1).numpy() * 2 - 1
        kept.append(predictor.look(np.repeat(shifted, 3, axis=1)).images)
    return np.concatenate(kept)


if __name__ == "__main__":
    main()
