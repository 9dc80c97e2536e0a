"""A stage's network on the validation images, as they are and shifted, by source."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gateway.model.evaluation.figures import at_threshold, auc
from gateway.model.evaluation.shifts import SHIFTS, Shift
from gateway.model.training.objectives import Features
from gateway.model.training.samples import Sample

Report = dict[str, dict[str, dict[str, float]]]  # source → shift → figure → value


@torch.no_grad()
def scores_of(
    network: nn.Module, pixels: Tensor, size: int, features: Features, shift: Shift, batch: int = 256
) -> NDArray[np.float64]:
    """Return P(pneumonia) of uint8 images, (n, 224, 224), shifted and brought to `size`."""
    network.eval()
    scores = []
    for images in torch.split(pixels, batch):
        x = shift(images[:, None].float() / 255)
        if size != x.shape[-1]:
            x = interpolate(x, size=(size, size), mode="bilinear", antialias=True)
        logits = cast(nn.Linear, network.fc)(features(network, x * 2 - 1)).float()
        scores.append((logits[:, 1] - logits[:, 0]).sigmoid().double().cpu().numpy())
    return np.concatenate(scores)


def validate(
    network: nn.Module, samples: list[Sample], pixels: Tensor, size: int, features: Features
) -> Report:
    """Measure accuracy at 0.5 and AUC for every source and shift; `pixels` are those of `samples`."""
    labels = np.array([sample.label for sample in samples], np.int64)
    sources = np.array([sample.source for sample in samples])
    report: Report = {}
    for name, shift in SHIFTS.items():
        scores = scores_of(network, pixels, size, features, shift)
        for source in dict.fromkeys(sources.tolist()):
            of = sources == source
            figures = at_threshold(0.5) | {"auc": auc}
            report.setdefault(source, {})[name] = {
                key: round(figures[key](labels[of], scores[of]), 4)
                for key in ("accuracy", "sensitivity", "specificity", "auc")
            }
    return report


def summary(report: Report) -> dict[str, float]:
    """Return for each source the mean accuracy and AUC over the shifts."""
    return {
        f"{source} {key}": round(float(np.mean([figures[key] for figures in shifts.values()])), 4)
        for source, shifts in report.items()
        for key in ("accuracy", "auc")
    }
