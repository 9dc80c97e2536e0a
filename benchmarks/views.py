"""Compares the mean log-odds over several views of one image with the shipped view; a processor is enough.

`python -m benchmarks.views RECIPE` reads images of a recipe and keeps log-odds in its folder. The rule
is in docs/model/experiments.md. Columns: AUC of UNIFESP's unlabelled frontal chests, and of the
external normals, against the pneumonias of Hannover, Cohen and Figure 1; mean AUC of the validation
children; mean of the three; share of UNIFESP called pneumonia where 90 % of the pneumonias are found,
and at 0.5; gain of each AUC over the shipped view, by a paired bootstrap of patients whose intervals
hold for all gains together. `--apart VIEW` prints figures of one view beside the shipped one for the
images kept apart, the test set among them, and is for the view that the rule has chosen.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
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
from gateway.training.evaluation.dataset import find_labelled
from gateway.training.evaluation.figures import at_threshold, auc, calibration_error
from gateway.training.evaluation.shifts import Shift, gamma, window
from gateway.training.pixels import load_pixels
from gateway.training.recipe import Recipe, read_recipe
from gateway.training.recipe.stages import LungStep
from gateway.training.shown import kept_crops

RESAMPLES = 2000
SHOWN = ("accuracy", "sensitivity", "specificity")
LEAST_ERRORS = 1.96  # half the width of an interval, in standard errors
CHILDREN, EVERY = "kermany", 2  # every second of the validation children of `last_layer`

Floats = NDArray[np.float64]


def contrast(factor: float) -> Shift:
    """Return the change: grey values around a half, times `factor`; black stays black."""
    return lambda images: torch.where(images > 0, ((images - 0.5) * factor + 0.5).clamp(0, 1), 0)


HULL = "hull"
REGIONS: dict[str, dict[str, str | float] | None] = {
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


class Views:
    """Log-odds of images by view, read from or written to the recipe's folder."""

    def __init__(self, recipe: Recipe, step: LungStep, threads: int) -> None:
        self.recipe, self._step = recipe, step
        self.card, model = read_model(SHIPPED)
        self._engine = OpenVinoEngine(model.state, "auto", threads)
        self._folder = recipe.out / "views" / f"{self.card.weights.sha256[:16]} {self._engine.name}"
        self._folder.mkdir(parents=True, exist_ok=True)

    def odds(self, part: str, of: Pictures, name: str) -> Floats:
        """Return the log-odds of a view of a part, (looks, n); `validation` alone has several looks."""
        path = self._folder / f"{part}, {name}.npy"
        if not path.exists():
            shown = self._cropped(of, REGIONS[name if name in REGIONS else HULL])
            looks = views_of(part, shown).values()
            change = CHANGES.get(name, lambda images: images)
            np.save(path, np.stack([self._run(map(change, batches)) for batches in looks]))
        return np.asarray(np.load(path))

    def _cropped(self, of: Pictures, settings: dict[str, str | float] | None) -> Pictures:
        step = self._step.model_copy(update=settings) if settings else None
        crop = cropper(step, torch.device("cpu"))
        return of._replace(pixels=kept_crops(crop, step, of.pixels, self.recipe.out / "cache").pixels)

    def _run(self, batches: Iterable[Tensor]) -> Floats:
        inputs = ((batch * 2 - 1).expand(-1, 3, -1, -1).contiguous().numpy() for batch in batches)
        return np.concatenate([self._engine.run(images).log_odds for images in inputs]).astype(np.float64)


def main() -> None:
    """Print a row for each view and mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--apart", metavar="VIEW", choices=(*REGIONS, *CHANGES))
    asked = parser.parse_args()
    recipe = read_recipe(asked.recipe)
    if not isinstance(recipe, Recipe) or recipe.lungs is None:
        raise ConfigurationError("name the recipe of a classifier with a lung network")
    torch.set_num_threads(asked.threads)
    views = Views(recipe, recipe.lungs, asked.threads)
    rows = apart(views, asked.apart) if asked.apart else compared(views)
    for row in rows:
        print(row, flush=True)


def compared(views: Views) -> Iterator[str]:
    """Yield a row for each view and mean."""
    of = groups(views.recipe)
    of_views = measured(views, of)
    means = {name: (name,) for name in of_views} | {" + ".join((HULL, *a)): (HULL, *a) for a in ADDED}
    odds = {
        name: Odds(*(np.mean([of_views[view][k] for view in members], axis=0) for k in range(5)))
        for name, members in means.items()
    }
    errors, low, high = intervals(odds, [_patients(each) for each in of.values()])
    yield f"an interval is {errors:.2f} standard errors to either side"
    for (name, each), bottom, top in zip(odds.items(), low, high, strict=True):
        gains = "  ".join(f"[{a:+.4f}, {b:+.4f}]" for a, b in zip(bottom, top, strict=True))
        yield f"{name:<50} {figures(each)}  {gains if name != HULL else ''}"


def apart(views: Views, name: str) -> Iterator[str]:
    """Yield rows of the shipped view and another one for images kept apart; the gain is of the AUC."""
    yield "accuracy, sensitivity, specificity, AUC, calibration error; gain"
    for part, of in kept_apart(views.recipe).items():
        sick, drawn = of.labels == 1, []
        counts = _resampled(_patients(of), np.random.default_rng(0))
        for view in (HULL, name):
            (odds,) = views.odds(part, of, view)
            drawn.append(_weighted(_larger(odds[~sick], odds[sick]), counts[:, ~sick], counts[:, sick]))
            scores = np.array([views.card.probability(each) for each in odds])
            told = [figure(of.labels, scores) for key, figure in at_threshold(0.5).items() if key in SHOWN]
            told += [auc(of.labels, odds), calibration_error(of.labels, scores)]
            low, high = np.quantile(drawn[-1] - drawn[0], (0.025, 0.975))
            yield f"{part}, {view:<12} {'  '.join(f'{each:.3f}' for each in told)}  [{low:+.4f}, {high:+.4f}]"


def kept_apart(recipe: Recipe) -> dict[str, Pictures]:
    """Return whole images of the held-out patients and of the test set."""
    found = {"heldout": whole_pictures(recipe, ("heldout",))["heldout"]}
    test = recipe.test
    if test:
        listed = find_labelled(recipe.root / test.folder, test.classes)
        pattern = next(source.patient for source in recipe.sources if source.name == CHILDREN)
        patients = [(re.search(pattern, each.path.stem) or [each.path.stem])[0] for each in listed]
        found["test"] = Pictures(
            load_pixels([image.path for image in listed], recipe.out / "cache", lambda *_: None),
            np.full(len(listed), test.name),
            np.array([image.label for image in listed], np.int64),
            np.array(patients),
        )
    return found


def figures(of: Odds) -> str:
    """Return the AUCs, their mean, and the shares called pneumonia."""
    measures = [float(pairs.mean()) for pairs in of.pairs()]
    found = np.quantile(of.sick, 1 - SENSITIVITY)
    called = [(of.strange >= limit).mean() for limit in (found, 0)]
    return "  ".join(f"{figure:.4f}" for figure in (*measures, np.mean(measures), *called))


def intervals(odds: dict[str, Odds], patients: list[NDArray[np.str_]]) -> tuple[float, Floats, Floats]:
    """Return half the width of an interval, in standard errors, and all ends, (views, measures) each."""
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
    return width, gains - width * errors, gains + width * errors


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


def measured(views: Views, of: dict[str, Pictures]) -> dict[str, tuple[Floats, ...]]:
    """Return log-odds of each view, in the order of `Odds`."""
    well, ill = of["well"], of["ill"]
    children = Pictures(*(np.concatenate(both) for both in zip(well, ill, strict=True)))
    found = {}
    for name in (*REGIONS, *CHANGES):
        others = [views.odds(part, of[part], name) for part in ("unlabelled", "normal", "sick")]
        of_children = views.odds("validation", children, name)
        found[name] = (*others, *np.split(of_children, [len(well.labels)], axis=1))
    return found


def _rows(of: Pictures, kept: NDArray[np.bool_] | NDArray[np.intp]) -> Pictures:
    return Pictures(*(each[kept] for each in of))


def _patients(of: Pictures) -> NDArray[np.str_]:
    return np.char.add(of.sources, of.patients)


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
