"""Runs a predictor over many image files; decoding runs ahead of the network. `evaluate` calls it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model.engines import Measured
from gateway.model.predictor import Predictor
from gateway.records import Lungs, Region
from gateway.training.evaluation.baselines import Numbers, grey_values
from gateway.training.evaluation.dataset import load_input

Progress = Callable[[int, int, str], None]  # done, total, activity
Inputs = NDArray[np.float32]  # (n, 3, 224, 224)

BATCH = 16
CELLS = 5  # a tenth of the 49 cells of an activation map
WHOLE = (0.0, 0.0, 1.0, 1.0, 0.0)  # box and share of lung where no crop was made


class MeasuredFiles(NamedTuple):
    """Measurements of n image files.

    Attributes
    ----------
    measured
        As the classifier sees the images; activation maps are over what it sees.
    regions
        The part of each image that the classifier sees; None of a model without a lung network.
    changes
        float32 (n, 2): absolute change of the log-odds when the hottest tenth of the activation map is
        hidden, and when a random tenth is hidden.
    grey
        Grey values of the whole images, for the baseline.
    """

    measured: Measured
    regions: tuple[Region | None, ...]
    changes: NDArray[np.float32]
    grey: Numbers

    def framing(self) -> Numbers | None:
        """Return the boxes of the lungs and the share of lung, (n, 5); None without a lung network."""
        if any(region is None for region in self.regions):
            return None
        return np.array([(*r.box, r.coverage) if isinstance(r, Lungs) else WHOLE for r in self.regions])


def load_batches(paths: Sequence[Path]) -> Iterator[Inputs]:
    """Yield inputs, float32 (n, 3, 224, 224), in batches; the next batch is decoded meanwhile."""
    groups = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(1, "decode") as decoder:
        ahead = decoder.submit(_load, groups[0])
        for following in [*groups[1:], []]:
            inputs = ahead.result()
            ahead = decoder.submit(_load, following)
            yield inputs


def measure_files(predictor: Predictor, paths: Sequence[Path], progress: Progress) -> MeasuredFiles:
    """Measure image files, and the change of the log-odds when parts of the image are hidden."""
    rng = np.random.default_rng(0)
    measured: list[Measured] = []
    regions: list[Region | None] = []
    changes, grey = [], []
    for inputs in load_batches(paths):
        seen = predictor.look(inputs)
        plain = predictor.measure_seen(seen.images)
        hidden = [_hide(seen.images, cells) for cells in (_hottest(plain.activation), _any(len(inputs), rng))]
        changed = [np.abs(predictor.measure_seen(each).log_odds - plain.log_odds) for each in hidden]
        changes.append(np.stack(changed, axis=1))
        measured.append(plain)
        regions += seen.regions
        grey.append(grey_values(inputs))
        progress(len(regions), len(paths), "images measured")
    whole = Measured(*map(np.concatenate, zip(*measured, strict=True)))
    return MeasuredFiles(whole, tuple(regions), np.concatenate(changes), np.concatenate(grey))


def _load(paths: Sequence[Path]) -> Inputs:
    return np.stack([load_input(path) for path in paths]) if paths else np.empty((0, 3, 224, 224), np.float32)


def _hottest(activation: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return the indices of the largest `CELLS` cells of each map."""
    return np.argsort(activation.reshape(len(activation), -1), axis=1)[:, -CELLS:]


def _any(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    return np.argsort(rng.random((n, 49)), axis=1)[:, :CELLS]


def _hide(inputs: Inputs, cells: NDArray[np.intp]) -> Inputs:
    """Replace cells of 32 × 32 pixels by the image's mean."""
    hidden = inputs.copy()
    for image, chosen in zip(hidden, cells, strict=True):
        mean = image.mean()
        for row, column in zip(*np.divmod(chosen, 7), strict=True):
            image[:, row * 32 : row * 32 + 32, column * 32 : column * 32 + 32] = mean
    return hidden
