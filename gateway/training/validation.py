"""Validates the network of a stage: on validation images, unchanged, shifted, and with borrowed looks, and on
the unchanged images of hospitals that the training does not know.

`train` calls it after every stage; the report chooses among stages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from gateway.training.evaluation.appearance import match_spectrum, match_tones
from gateway.training.evaluation.figures import at_threshold, auc, specificity_at
from gateway.training.evaluation.shifts import SHIFTS
from gateway.training.objectives import Features
from gateway.training.samples import Sample


def borrow_most(images: Tensor, others: Tensor) -> Tensor:
    """Return images with most of the spectrum and tones of others; shapes as for `match_spectrum`."""
    return match_tones(match_spectrum(images, others, 0.7), others, 0.7)


BORROWED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "spectrum of the other class": match_spectrum,
    "tones of the other class": match_tones,
    "both, most of the way": borrow_most,
}
"""Looks borrowed from the other class: they change no disease, only other differences of the classes."""

STRANGE = "look of another hospital"

SENSITIVITIES = (0.85, 0.9)  # at which specificity is reported

Report = dict[str, dict[str, dict[str, float]]]  # source → shift → figure → value


@torch.no_grad()
def scores_of(
    network: nn.Module, images: Tensor, size: int, features: Features, batch: int = 256
) -> NDArray[np.float64]:
    """Return P(pneumonia), float64 (n,), of images, float (n, 1, 224, 224), 0–1, resized to `size`."""
    network.eval()
    scores = []
    for x in torch.split(images, batch):
        if size != x.shape[-1]:
            x = interpolate(x, size=(size, size), mode="bilinear", antialias=True)
        logits = cast(nn.Linear, network.fc)(features(network, x * 2 - 1)).float()
        scores.append((logits[:, 1] - logits[:, 0]).sigmoid().double().cpu().numpy())
    return np.concatenate(scores)


def validate(
    network: nn.Module,
    samples: list[Sample],
    pixels: Tensor,
    size: int,
    features: Features,
    strange: Tensor | None = None,
) -> Report:
    """Return accuracy, sensitivity and specificity at 0.5, and AUC, for every source and change.

    `pixels` is uint8 (n, 224, 224), in the order of `samples`; `strange`, uint8 (m, 224, 224), are images of
    another hospital that lend their look to both classes alike.
    """
    labels = np.array([sample.label for sample in samples], np.int64)
    sources = np.array([sample.source for sample in samples])
    report: Report = {}
    for name, images in _changed(pixels[:, None].float() / 255, other_class(sources, labels), strange):
        scores = scores_of(network, images, size, features)
        for source in dict.fromkeys(sources.tolist()):
            of = sources == source
            figures = at_threshold(0.5) | {"auc": auc}
            report.setdefault(source, {})[name] = {
                key: round(figures[key](labels[of], scores[of]), 4)
                for key in ("accuracy", "sensitivity", "specificity", "auc")
            }
    return report


def validate_external(
    network: nn.Module, samples: list[Sample], pixels: Tensor, size: int, features: Features
) -> dict[str, dict[str, float]]:
    """Return figures of unchanged images of other hospitals.

    Returns
    -------
    For each source the share of its normals and of its pneumonias that is right at 0.5; for all together AUC
    and the specificity at fixed sensitivities. Sources with one class make the latter figures of the whole.
    """
    labels = np.array([sample.label for sample in samples], np.int64)
    sources = np.array([sample.source for sample in samples])
    scores = scores_of(network, pixels[:, None].float() / 255, size, features)
    right = (scores >= 0.5) == (labels == 1)
    report = {
        source: {
            name: round(float(right[(sources == source) & (labels == label)].mean()), 4)
            for label, name in ((0, "specificity"), (1, "sensitivity"))
            if ((sources == source) & (labels == label)).any()
        }
        for source in dict.fromkeys(sources.tolist())
    }
    together = {"auc": auc} | {f"specificity at {s}": specificity_at(s) for s in SENSITIVITIES}
    report["together"] = {name: round(of(labels, scores), 4) for name, of in together.items()}
    return report


def other_class(sources: NDArray[np.str_], labels: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return for each image the index of one of the other class and the same source, else its own index."""
    rng = np.random.default_rng(0)
    partners = np.arange(len(labels))
    for source in sorted(set(sources.tolist())):
        for label in (0, 1):
            own, others = (np.flatnonzero((sources == source) & (labels == k)) for k in (label, 1 - label))
            if len(others):
                partners[own] = rng.choice(others, len(own))
    return partners


def summary(report: Report, external: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the mean accuracy and AUC of each source over the shifts and looks, and the external figures."""
    of_sources = {
        f"{source} {kind} {key}": round(float(np.mean([changes[name][key] for name in names])), 4)
        for source, changes in report.items()
        for kind, names in (("shifted", SHIFTS), ("borrowed", BORROWED))
        for key in ("accuracy", "auc")
    }
    return of_sources | {
        f"{source} {name}": value for source, figures in external.items() for name, value in figures.items()
    }


def _changed(
    images: Tensor, partners: NDArray[np.intp], strange: Tensor | None
) -> Iterator[tuple[str, Tensor]]:
    for name, shift in SHIFTS.items():
        yield name, shift(images)
    others = images[torch.from_numpy(partners).to(images.device)]
    for name, borrow in BORROWED.items():
        yield name, borrow(images, others)
    if strange is not None and len(strange):
        drawn = torch.from_numpy(np.random.default_rng(0).integers(len(strange), size=len(images)))
        yield STRANGE, borrow_most(images, strange[drawn.to(strange.device)][:, None].float() / 255)
