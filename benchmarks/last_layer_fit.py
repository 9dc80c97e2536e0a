"""Fits a last layer to pooled features: a logistic regression that is pulled towards the shipped one.

`last_layer` compares what it fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

SMOOTHING = 0.05  # as in the training
LEAST_SPREAD = 0.1  # of a feature, as a share of the mean spread
LEAST = 10  # images of a source and class; smaller groups are joined

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """A way to fit a last layer; 0 leaves a term out.

    Attributes
    ----------
    pull
        Penalty on the squared difference from the shipped weights, of standardised features.
    between
        Penalty on the squared differences of log-odds between the sources of a class.
    worst
        Inverse temperature of a maximum over groups, in the place of their mean.
    shipped
        Share of the shipped head in the result.
    """

    pull: float
    between: float = 0.0
    worst: float = 0.0
    shipped: float = 0.0


HEADS: dict[str, Head | None] = {
    "shipped": None,
    **{f"pull {pull:g}": Head(pull) for pull in (1.0, 0.3, 0.1, 0.01, 0.001, 0.0001)},
    **{f"pull {pull:g}, sources alike": Head(pull, between=3.0) for pull in (0.1, 0.001)},
    **{f"pull {pull:g}, worst group": Head(pull, worst=5.0) for pull in (0.1, 0.001)},
    **{f"pull {pull:g}, half shipped": Head(pull, shipped=0.5) for pull in (0.1, 0.001)},
}


class Line(NamedTuple):
    """A last layer as one line: weights (2048,) and bias of the log-odds."""

    weights: Floats
    bias: float

    def odds(self, features: Floats) -> Floats:
        """Return the log-odds of pneumonia, (n,), of features, (n, 2048)."""
        return np.asarray(features @ self.weights + self.bias)


class Groups(NamedTuple):
    """n training images: features (n, 2048), labels (n,), and a group number of each, (n,)."""

    features: Floats
    labels: NDArray[np.int64]
    groups: NDArray[np.int64]


def group(sources: NDArray[np.str_], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a group number for each image: its source and class; small groups of a class are one."""
    names = [f"{source} {label}" for source, label in zip(sources, labels, strict=True)]
    counts = {name: names.count(name) for name in set(names)}
    joined = [
        name if counts[name] >= LEAST else f"other {label}" for name, label in zip(names, labels, strict=True)
    ]
    return np.unique(joined, return_inverse=True)[1].astype(np.int64)


def fit(of: Groups, head: Head, start: Line) -> Line:
    """Return the last layer that a head fits; the groups of a class weigh the same, and so do the classes."""
    features, shipped = torch.from_numpy(of.features).double(), torch.from_numpy(start.weights)
    groups, labels = torch.from_numpy(of.groups), torch.from_numpy(of.labels).double()
    members = [torch.nonzero(groups == number)[:, 0] for number in range(int(groups.max()) + 1)]
    means = torch.stack([features[rows].mean(dim=0) for rows in members])
    spread, middle = (features - means[groups]).square().mean(dim=0).sqrt(), means.mean(dim=0)
    scale = spread + LEAST_SPREAD * spread.mean()
    sick = torch.stack([labels[rows[0]] for rows in members])
    weights = 0.5 * (sick / sick.sum() + (1 - sick) / (1 - sick).sum())
    of_class = [means[sick == label] for label in (0, 1)]
    apart = torch.cat([each - each.mean(dim=0) for each in of_class]) / scale
    x, target = (features - middle) / scale, labels * (1 - SMOOTHING) + SMOOTHING / 2
    first = shipped * scale
    line, bias = first.clone().requires_grad_(), (middle @ shipped + start.bias).requires_grad_()

    def loss() -> Tensor:
        errors = binary_cross_entropy_with_logits(x @ line + bias, target, reduction="none")
        of_groups = torch.stack([errors[rows].mean() for rows in members])
        total = _greatest(of_groups, weights, head.worst) if head.worst else of_groups @ weights
        total = total + head.pull * (line - first).square().sum()
        return total + head.between * (apart @ line).square().mean()

    minimise(loss, [line, bias], steps=100)
    fitted = (line / scale).detach()
    new = Line(fitted.numpy(), float(bias.detach() - middle @ fitted))
    share = head.shipped
    return Line(
        share * start.weights + (1 - share) * new.weights, share * start.bias + (1 - share) * new.bias
    )


def _greatest(losses: Tensor, weights: Tensor, sharpness: float) -> Tensor:
    """Return a smooth maximum."""
    return torch.logsumexp(sharpness * losses + weights.log(), 0) / sharpness


def minimise(loss: Callable[[], Tensor], parameters: list[Tensor], steps: int) -> None:
    """Change the parameters until the loss is least, in at most so many steps of L-BFGS."""
    optimiser = torch.optim.LBFGS(parameters, max_iter=steps, line_search_fn="strong_wolfe")

    def step() -> Tensor:
        optimiser.zero_grad()
        total = loss()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(step)  # type: ignore[no-untyped-call]
