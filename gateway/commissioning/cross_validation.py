"""Log-odds, threshold and figures of a site's images, none judged by what it took part in.

`commission` calls it. Each fold's normal images are scored with statistics of the other folds' images, and
judged by a threshold of the other folds' scores. Sick images take part in neither.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.model.fraction import Fraction
from gateway.model.profile import Area, Part

FOLDS = 5
LEAST = 20
"""Normal images that a profile, and a scanner's own threshold, need at least."""

TEMPERATURES = np.exp(np.linspace(-1.5, 1.5, 121))

Floats = NDArray[np.float32]
Odds = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Fitted(Protocol):
    """A classifier that takes the statistics of images; see `fitting.Fitting`."""

    def fit(self, images: Floats) -> None:
        """Take the statistics of images."""

    def score(self, images: Floats) -> tuple[Floats, Floats]:
        """Return log-odds and distances of images with the statistics taken last."""


class Scored(NamedTuple):
    """Log-odds of images, and the distances of the normal ones (`Detector`).

    With fitted statistics, normal images are scored by those of the other folds, sick ones by those of all.
    """

    normal: Odds
    sick: Odds
    distances: Odds


def cross_validate(
    fitting: Fitted, normal: Floats, sick: Floats, progress: Callable[[int, int, str], None]
) -> Scored:
    """Score all images; afterwards the statistics are those of all normal images.

    Parameters
    ----------
    normal, sick
        The classifier's inputs, float32 (n, 3, rows, columns), -1 to 1; `sick` may be empty.
    """
    odds, distances = np.empty(len(normal)), np.empty(len(normal))
    for fold in range(FOLDS):
        held = in_fold(len(normal), fold)
        fitting.fit(normal[~held])
        odds[held], distances[held] = fitting.score(normal[held])
        progress(fold + 1, FOLDS + 1, "statistics fitted")
    fitting.fit(normal)
    scored = Scored(odds, fitting.score(sick)[0].astype(np.float64), distances)
    progress(FOLDS + 1, FOLDS + 1, "statistics fitted")
    return scored


def in_fold(count: int, fold: int) -> Mask:
    """Tell which of so many images belong to a fold."""
    return np.asarray(np.arange(count) % FOLDS == fold)


def images_needed(specificity: float) -> int:
    """Return how many normal images a threshold at this specificity needs, 0–1 and less than 1."""
    return max(LEAST, math.ceil(specificity / (1 - specificity) - 1e-9))


def threshold_at(odds: Odds, specificity: float) -> float:
    """Return the log-odds below which another normal image lies with at least this probability.

    It lies above the k-th smallest value, k = ⌈(n + 1) · specificity⌉, midway to the next one (split
    conformal prediction, Vovk 2005). Where so few images cannot show the specificity, it lies above all.
    """
    n = len(odds)
    k = min(n, math.ceil((n + 1) * specificity - 1e-9))
    ordered = np.sort(odds)
    above = ordered[k] if k < n else ordered[-1] + (ordered[-1] - ordered[0]) / n
    return float((ordered[k - 1] + above) / 2)


def own_scanners(scanners: Sequence[str], least: int = LEAST) -> tuple[str, ...]:
    """Return the scanners with enough images for a threshold of their own; none of a single scanner."""
    counts = Counter(scanners)
    enough = tuple(name for name, count in sorted(counts.items()) if name and count >= least)
    return enough if len(counts) > 1 else ()


def spelled_alike(scanners: Sequence[str]) -> list[str]:
    """Return the scanners with one spelling for each: software versions differ in capitals."""
    spelling: dict[str, str] = {}
    for name in sorted(scanners):
        spelling.setdefault(name.casefold(), name)
    return [spelling[name.casefold()] for name in scanners]


class Thresholds(NamedTuple):
    """The site's threshold and those of scanners with their own, as log-odds."""

    site: float
    scanners: dict[str, float]

    def of(self, scanners: Sequence[str]) -> Odds:
        """Return the threshold for an image of each scanner."""
        return np.array([self.scanners.get(name, self.site) for name in scanners])


def thresholds_at(odds: Odds, scanners: Sequence[str], specificity: float, own: Sequence[str]) -> Thresholds:
    """Return the thresholds at a specificity from normal images; the scanners `own` get theirs."""
    names = np.array(scanners)
    return Thresholds(
        threshold_at(odds, specificity),
        {name: threshold_at(odds[names == name], specificity) for name in own},
    )


def specificity_of(odds: Odds, scanners: Sequence[str], specificity: float) -> Part:
    """Return the share of normal images below the threshold that the other folds' images give."""
    own, names = own_scanners(scanners, images_needed(specificity)), np.array(scanners)
    negative = 0
    for fold in range(FOLDS):
        held = in_fold(len(odds), fold)
        limits = thresholds_at(odds[~held], names[~held].tolist(), specificity, own)
        negative += int((odds[held] < limits.of(names[held].tolist())).sum())
    return part_of(negative, len(odds))


def temperature_of(normal: Odds, sick: Odds) -> float:
    """Return the temperature with the least negative log-likelihood, both classes counted alike.

    The targets are Platt's (1999), short of 0 and 1: else the scores of classes that do not overlap, as they
    seldom do in so few images, would become as certain as the range of temperatures allows.
    """
    absent, present = 1 / (len(normal) + 2), (len(sick) + 1) / (len(sick) + 2)
    losses = [_loss(normal / t, absent) + _loss(sick / t, present) for t in TEMPERATURES]
    return round(float(TEMPERATURES[int(np.argmin(losses))]), 3)


def area_of(normal: Odds, sick: Odds) -> Area:
    """Return the area under the ROC curve with Newcombe's 95 % interval (2006, method 5).

    It has a width where no scores overlap, too: resampled images never would.
    """
    value, n, m = _area(normal, sick), len(normal), len(sick)
    return Area(value=value, low=_limit(value, 0.0, n, m), high=_limit(value, 1.0, n, m))


def part_of(part: int, whole: int) -> Part:
    """Return a share of at least one image with Wilson's 95 % interval."""
    low, high = Fraction(part, whole).interval or (0.0, 1.0)
    return Part(part=part, whole=whole, low=low, high=high)


def _loss(odds: Odds, target: float) -> float:
    return float((np.logaddexp(0, odds) - target * odds).mean())


def _limit(value: float, end: float, n: int, m: int) -> float:
    """Return the area between `value` and `end` that lies 1.96 of its own standard errors from `value`."""
    inner, outer = value, end
    for _ in range(50):
        area = (inner + outer) / 2
        overlap = (1 - area) / (2 - area) + area / (1 + area)
        variance = area * (1 - area) * (1 + ((n + m) / 2 - 1) * overlap) / (n * m)
        if abs(value - area) < 1.959964 * math.sqrt(variance):
            inner = area
        else:
            outer = area
    return inner


def _area(normal: Odds, sick: Odds) -> float:
    apart = sick[:, None] - normal
    return float((apart > 0).mean() + (apart == 0).mean() / 2)
