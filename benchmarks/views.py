"""Compares the mean log-odds over several views of one image with the shipped view; a processor is enough.

`python -m benchmarks.views RECIPE` reads the images of a recipe, never its test set, and keeps log-odds in
the recipe's folder. Columns: AUC of UNIFESP's unlabelled frontal chests, and of the external normals, against
the pneumonias of Hannover, Cohen and Figure 1; mean AUC of the validation children; mean of the three; share
of UNIFESP called pneumonia where 90 % of the pneumonias are found, and at 0.5; gain of each AUC over the
shipped view, by a paired bootstrap of patients whose intervals hold for all gains together. The rule is in
docs/model/experiments.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.last_layer import SENSITIVITY, SICK, Pictures, views_of, whole_pictures
from gateway.errors import ConfigurationError
from gateway.model.openvino_engine import OpenVinoEngine
from gateway.model.predictor import SHIPPED, read_model
from gateway.training.crops import cropper
from gateway.training.evaluation.shifts import Shift, gamma, window
from gateway.training.recipe import Recipe, read_recipe
from gateway.training.recipe.stages import LungStep
from gateway.training.shown import kept_crops

RESAMPLES = 2000
LEAST_ERRORS = 1.96  # half the width of an interval, in standard errors
CHILDREN, EVERY = "kermany", 2  # every second of the validation children of `last_layer`

Floats = NDArray[np.float64]


def contrast(factor: float) -> Shift:
    """Return the change: grey values around a half, times `factor`; black stays black."""
    return lambda images: torch.where(images > 0, ((images - 0.5) * factor + 0.5).clamp(0, 1), 0)


HULL = "hull"
REGIONS = {
    HULL: {"region": "hull", "margin": 0.05},
    "margin 3 %": {"region": "hull", "margin": 0.03},
    "margin 8 %": {"region": "hull", "margin": 0.08},
    "margin 12 %": {"region": "hull", "margin": 0.12},
    "box": {"region": "box", "margin": 0.05},
    "whole": None,
}
CHANGES: dict[str, Shift] = {
    "mirrored": lambda images: images.flip(-1),
    "turned left": window(1, 1, degrees=4),
    "turned right": window(1, 1, degrees=-4),
    "gamma 0.8": gamma(0.8),
    "gamma 1.25": gamma(1.25),
    "contrast 0.8": contrast(0.8),
    "contrast 1.2": contrast(1.2),
}
"""Changes of the shipped view."""
MARGINS, TURNED, GAMMA = ("margin 3 %", "margin 8 %"), ("turned left", "turned right"), tuple(CHANGES)[3:5]
ADDED: tuple[tuple[str, ...], ...] = (
    ("mirrored",),
    MARGINS,
    (*MARGINS, "margin 12 %"),
    ("box",),
    ("whole",),
    ("box", "whole"),
    TURNED,
    GAMMA,
    ("contrast 0.8", "contrast 1.2"),
    ("mirrored", "margin 8 %"),
    ("mirrored", "box"),
    ("mirrored", *MARGINS),
    ("mirrored", *TURNED),
    (*TURNED, *MARGINS),
    (*TURNED, *GAMMA),
    ("mirrored", "box", *MARGINS),
)
"""Views beside the shipped one of each mean."""


class Odds(NamedTuple):
    """Log-odds of one view or mean: strange, normal and sick (1, n); children without and with (looks, n)."""

    strange: Floats
    normal: Floats
    sick: Floats
    well: Floats
    ill: Floats

    def pairs(self) -> tuple[Floats, ...]:
        """Return for each measure which pairs, (n, m), have the larger log-odds second; ties are a half."""
        return tuple(
            np.mean([_larger(*looks) for looks in zip(lower, higher, strict=True)], axis=0)
            for lower, higher in ((self.strange, self.sick), (self.normal, self.sick), (self.well, self.ill))
        )


def main() -> None:
    """Print a row for each view and mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    recipe = read_recipe(asked.recipe)
    if not isinstance(recipe, Recipe) or recipe.lungs is None:
        raise ConfigurationError("name the recipe of a classifier with a lung network")
    torch.set_num_threads(asked.threads)
    of = groups(recipe)
    views = measured(recipe, recipe.lungs, of, asked.threads)
    means = {name: (name,) for name in views} | {" + ".join((HULL, *a)): (HULL, *a) for a in ADDED}
    odds = {
        name: Odds(*(np.mean([views[view][k] for view in members], axis=0) for k in range(5)))
        for name, members in means.items()
    }
    low, high = intervals(odds, [np.char.add(each.sources, each.patients) for each in of.values()])
    for (name, each), bottom, top in zip(odds.items(), low, high, strict=True):
        gains = "  ".join(f"[{a:+.4f}, {b:+.4f}]" for a, b in zip(bottom, top, strict=True))
        print(f"{name:<50} {figures(each)}  {gains if name != HULL else ''}")


def figures(of: Odds) -> str:
    """Return the AUCs, their mean, and the shares called pneumonia."""
    measures = [float(pairs.mean()) for pairs in of.pairs()]
    found = np.quantile(of.sick, 1 - SENSITIVITY)
    called = [(of.strange >= limit).mean() for limit in (found, 0)]
    return "  ".join(f"{figure:.4f}" for figure in (*measures, np.mean(measures), *called))


def intervals(odds: dict[str, Odds], patients: list[NDArray[np.str_]]) -> tuple[Floats, Floats]:
    """Return the ends of the intervals of the gains, (views, measures) each."""
    rng = np.random.default_rng(0)
    strange, normal, sick, well, ill = (_resampled(each, rng) for each in patients)
    draws, values = [], []
    for each in odds.values():
        pairs = each.pairs()
        sides = ((strange, sick), (normal, sick), (well, ill))
        draws.append([_weighted(of, *side) for of, side in zip(pairs, sides, strict=True)])
        values.append([of.mean() for of in pairs])
    drawn, gains = np.array(draws) - draws[0], np.array(values) - values[0]
    errors = drawn.std(axis=-1)
    largest = np.abs((drawn[1:] - gains[1:, :, None]) / errors[1:, :, None]).max(axis=(0, 1))
    width = max(LEAST_ERRORS, float(np.quantile(largest, 0.95)))
    print(f"an interval is {width:.2f} standard errors to either side")
    return gains - width * errors, gains + width * errors


def groups(recipe: Recipe) -> dict[str, Pictures]:
    """Return whole images in the order of `Odds`; the children are one group for each class."""
    of = whole_pictures(recipe, ("validation", "external"))
    external, children = of["external"], of["validation"]
    kept = children.sources == CHILDREN
    return {
        "unlabelled": of["unlabelled"],
        "normal": _rows(external, external.labels == 0),
        "sick": _rows(external, (external.labels == 1) & np.isin(external.sources, SICK)),
        "well": _rows(children, np.flatnonzero(kept & (children.labels == 0))[::EVERY]),
        "ill": _rows(children, np.flatnonzero(kept & (children.labels == 1))[::EVERY]),
    }


def measured(
    recipe: Recipe, step: LungStep, of: dict[str, Pictures], threads: int
) -> dict[str, tuple[Floats, ...]]:
    """Return log-odds of each view, in the order of `Odds`, read from or written to the recipe's folder."""
    card, model = read_model(SHIPPED)
    engine = OpenVinoEngine(model.state, "auto", threads)
    folder = recipe.out / "views" / f"{card.weights.sha256[:16]} {engine.name}"
    folder.mkdir(parents=True, exist_ok=True)
    children = {name: of[name] for name in ("well", "ill")}
    joined = Pictures(*(np.concatenate(parts) for parts in zip(*children.values(), strict=True)))
    parts = {name: of[name] for name in ("unlabelled", "normal", "sick")} | {"validation": joined}
    changes: dict[str, tuple[str, Shift]] = {name: (name, lambda images: images) for name in REGIONS}
    changes |= {name: (HULL, change) for name, change in CHANGES.items()}
    found: dict[str, dict[str, Floats]] = {name: {} for name in changes}
    for part, pictures in parts.items():
        for name, (region, change) in changes.items():
            path = folder / f"{part}, {name}.npy"
            if not path.exists():
                np.save(path, _looked_at(engine, part, _cropped(recipe, step, region, pictures), change))
            found[name][part] = np.load(path)
    first = len(children["well"].labels)
    return {
        name: (
            odds["unlabelled"],
            odds["normal"],
            odds["sick"],
            *np.split(odds["validation"], [first], axis=1),
        )
        for name, odds in found.items()
    }


def _cropped(recipe: Recipe, step: LungStep, region: str, of: Pictures) -> Pictures:
    settings = REGIONS[region]
    own = settings and step.model_copy(update=settings)
    crop = cropper(own or None, torch.device("cpu"))
    return of._replace(pixels=kept_crops(crop, own or None, of.pixels, recipe.out / "cache").pixels)


def _looked_at(engine: OpenVinoEngine, part: str, of: Pictures, change: Shift) -> Floats:
    return np.stack([_log_odds(engine, map(change, batches)) for batches in views_of(part, of).values()])


def _log_odds(engine: OpenVinoEngine, batches: Iterable[Tensor]) -> Floats:
    inputs = ((batch * 2 - 1).expand(-1, 3, -1, -1).contiguous().numpy() for batch in batches)
    return np.concatenate([engine.run(images).log_odds for images in inputs]).astype(np.float64)


def _rows(of: Pictures, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Pictures:
    return Pictures(*(each[kept] for each in of))


def _larger(lower: Floats, higher: Floats) -> Floats:
    return np.asarray((lower[:, None] < higher) + 0.5 * (lower[:, None] == higher), np.float64)


def _resampled(patients: NDArray[np.str_], rng: np.random.Generator) -> Floats:
    """Return how often each image is drawn, (resamples, n), where patients are drawn with replacement."""
    names, of = np.unique(patients, return_inverse=True)
    drawn = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    return drawn[:, of].astype(np.float64)


def _weighted(pairs: Floats, lower: Floats, higher: Floats) -> Floats:
    """Return the AUC of each resample, (resamples,)."""
    return np.asarray(((lower @ pairs) * higher).sum(1) / (lower.sum(1) * higher.sum(1)))


if __name__ == "__main__":
    main()
