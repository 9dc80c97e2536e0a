"""Compares shares of a site's batch-norm statistics, and numbers of its normal chests, on held-out images.

`python -m benchmarks.site_profile NORMAL [--other FOLDER] [--sick FOLDER] [--model PATH]` prints a table.
Normal images are drawn at random for statistics and threshold; figures are of the others. With `share` 0 the
profile is a threshold alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.commissioning.cross_validation import cross_validate, threshold_at
from gateway.commissioning.fitting import Fitting
from gateway.model.choice import EngineRules
from gateway.model.predictor import SHIPPED, Predictor, read_model
from gateway.training.evaluation.dataset import load_input

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
SPECIFICITY = 0.9

Floats = NDArray[np.float32]


class Sets(NamedTuple):
    """What the classifier sees of normal chests, other chests without the finding, and sick ones."""

    normal: Floats
    other: Floats
    sick: Floats


def main() -> None:
    """Print a row for each share and number of images."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("normal", type=Path)
    parser.add_argument("--other", type=Path)
    parser.add_argument("--sick", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--numbers", type=int, nargs="+", default=[20])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    asked = parser.parse_args()
    rules = EngineRules("torch", device="cpu", threads=1)
    predictor = Predictor.open(asked.model, rules)
    card, model = read_model(asked.model or SHIPPED)
    sets = Sets(*(seen(predictor, folder) for folder in (asked.normal, asked.other, asked.sick)))
    shipped = Sets(*(log_odds(predictor, images) for images in sets))
    print("share     n  specificity of normal, other; sensitivity; AUC against normal (mean of the draws)")
    print_row("shipped", 0, [figures(shipped, card.log_odds(card.threshold))])
    for share in asked.shares:
        fitting = Fitting(model.state, share)
        for number in asked.numbers:
            drawn = list(draws(fitting, sets, number, asked.repeats))
            print_row(f"{share:g}", number, drawn)


def draws(fitting: Fitting, sets: Sets, number: int, repeats: int) -> Iterator[tuple[float, ...]]:
    """Yield the figures of each draw of so many normal images."""
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(len(sets.normal))
        chosen, held = order[:number], order[number:]
        scored = cross_validate(fitting, sets.normal[chosen], sets.normal[:0], lambda *_: None)
        threshold = threshold_at(scored.normal, SPECIFICITY)
        odds = Sets(*(fitting.log_odds(each) for each in (sets.normal[held], sets.other, sets.sick)))
        yield figures(odds, threshold)


def figures(odds: Sets, threshold: float) -> tuple[float, ...]:
    """Return specificity of normal and other images, sensitivity, and AUC; NaN of empty sets."""
    with np.errstate(invalid="ignore"):
        apart = odds.sick[:, None] - odds.normal
        return (
            share_of(odds.normal < threshold),
            share_of(odds.other < threshold),
            share_of(odds.sick >= threshold),
            share_of(apart > 0),
        )


def share_of(holds: NDArray[np.bool_]) -> float:
    """Return the share of true values; NaN of none."""
    return float(holds.mean()) if holds.size else float("nan")


def print_row(share: str, number: int, drawn: list[tuple[float, ...]]) -> None:
    """Print the mean of each figure over the draws, and the smallest and largest first one."""
    means = "  ".join(f"{value:.3f}" for value in np.mean(drawn, axis=0))
    first = [each[0] for each in drawn]
    print(f"{share:>7} {number:>3}  {means}   ({min(first):.2f} to {max(first):.2f})", flush=True)


def seen(predictor: Predictor, folder: Path | None) -> Floats:
    """Return what the classifier sees of a folder's images, without those on which the model abstains."""
    if folder is None:
        return np.empty((0, 3, 224, 224), np.float32)
    kept = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        image = load_input(path)[None]
        if predictor.predict(image)[0].score is not None:
            kept.append(predictor.look(image).images)
    return np.concatenate(kept)


def log_odds(predictor: Predictor, images: Floats) -> Floats:
    """Return the log-odds by the model as it was shipped."""
    parts = [predictor.measure_seen(images[i : i + 16]).log_odds for i in range(0, len(images), 16)]
    return np.concatenate([np.empty(0, np.float32), *parts])


if __name__ == "__main__":
    main()
