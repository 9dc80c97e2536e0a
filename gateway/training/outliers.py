"""Fits the out-of-distribution detector to descriptions of a trained network. `finish` calls it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from gateway.model.abstention import Detector
from gateway.model.card import Abstention

DIMENSIONS = 128  # dimensions in which distances are measured
KEPT = 0.997  # share of the validation images of each source and class within each limit


def fit_detector(chests: Tensor, groups: Tensor, negatives: Tensor) -> Detector:
    """Return a detector for chest radiographs.

    Parameters
    ----------
    chests
        float32 (n, D): descriptions of chest radiographs.
    groups
        int64 (n,): number of the source and class of each.
    negatives
        float32 (m, D): descriptions of out-of-distribution negatives.
    """
    mean, scale = chests.mean(dim=0), chests.std(dim=0) + 1e-3
    standard, other = (chests - mean) / scale, (negatives - mean) / scale
    weight, bias = _linear_classifier(standard, other)
    axes = _whitening(standard, groups)
    centres = torch.stack([(standard[groups == g] @ axes).mean(dim=0) for g in set(groups.tolist())])
    return Detector(*(part.numpy() for part in (mean, scale, axes, centres, weight, bias)))


def limits(scores: Tensor, groups: Tensor) -> Abstention:
    """Return the limits that keep the share `KEPT` of every group; `scores` is float32 (n, 2)."""
    of_groups = [torch.quantile(scores[groups == g], KEPT, dim=0) for g in set(groups.tolist())]
    distance, outlier = torch.stack(of_groups).amax(dim=0).tolist()
    return Abstention(distance=round(distance, 3), outlier=round(outlier, 3))


def _whitening(standard: Tensor, groups: Tensor) -> Tensor:
    """Return the leading axes of variance within groups, (D, k), divided by the standard deviation."""
    within = standard.clone()
    for g in set(groups.tolist()):
        within[groups == g] -= standard[groups == g].mean(dim=0)
    _, spread, axes = torch.svd_lowrank(within, q=min(DIMENSIONS + 16, *within.shape), niter=4)
    deviation = spread[:DIMENSIONS] / len(within) ** 0.5
    whitened: Tensor = axes[:, :DIMENSIONS] / (deviation + 0.05 * deviation[0])
    return whitened


def _linear_classifier(chests: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor]:
    """Fit a logistic regression of negatives against chests, with L2 decay and equal total weights."""
    x = torch.cat([chests, negatives]).clamp(-10, 10)
    y = torch.cat([torch.zeros(len(chests)), torch.ones(len(negatives))])
    share = torch.where(y == 0, 0.5 / len(chests), 0.5 / len(negatives))
    weight, bias = torch.zeros(x.shape[1], requires_grad=True), torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        errors = binary_cross_entropy_with_logits(x @ weight + bias, y, reduction="none")
        total = (share * errors).sum() + 0.02 * weight.square().sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()
