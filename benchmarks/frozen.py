"""Compares frozen networks by a linear probe, on images of hospitals that the probe does not know.

`python -m benchmarks.frozen RECIPE NETWORK=SIZE=FILE ...` fits a logistic regression to the pooled features
of training images, unchanged and as four views, hulls alone, JSRT left out. Columns: pull towards zero; AUC
of JSRT's normals, and of UNIFESP's chests, against the pneumonias of Hannover, Cohen and Figure 1; mean AUC
of validation children with borrowed looks, by which the pull is chosen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

from benchmarks.compare_arms import NORMALS, SICK
from benchmarks.last_layer_fit import minimise
from gateway.model.torch_engine import find_device
from gateway.training.augmentation import Augmenter
from gateway.training.crops import cropper
from gateway.training.evaluation.figures import auc, auc_between
from gateway.training.networks import load_weights, untrained
from gateway.training.recipe import Recipe, read_recipe
from gateway.training.samples import find_samples
from gateway.training.train import Training
from gateway.training.trunk import features
from gateway.training.validation import BORROWED, other_class

PULLS = (1.0, 0.1, 0.01, 0.001)
VIEWS = 4
LEFT_OUT = "jsrt"


class Probed:
    """The images of a recipe, and the probes fitted to networks."""

    def __init__(self, recipe: Recipe) -> None:
        crop = cropper(recipe.lungs, find_device(recipe.device))
        self._training = Training(recipe, find_samples(recipe), crop, lambda *_: None)
        self._samples, self._pixels = self._training.image_set.samples, self._training.hulls
        self._generator = Generator(self._pixels.device).manual_seed(0)
        self._ranges = recipe.augmentations["box"]

    def rows(self, name: str, network: nn.Module, size: int) -> None:
        """Print a row for each pull."""
        train = self._of("train", lambda source, _: source != LEFT_OUT)
        augment = Augmenter(self._ranges, size, self._generator)
        fitted = [_pooled(network, self._shown(train), size)]
        for _ in range(VIEWS):
            views = [augment(self._pixels[rows]) for rows in torch.split(torch.tensor(train), 256)]
            fitted.append(_pooled(network, torch.cat(views) / 2 + 0.5, size))
        labels = np.array([self._samples[i].label for i in train])
        groups = np.array([f"{self._samples[i].source} {labels[k]}" for k, i in enumerate(train)])
        measured = self._measured(network, size)
        for pull in PULLS:
            line = _fit(torch.cat(fitted), np.tile(labels, 1 + VIEWS), np.tile(groups, 1 + VIEWS), pull)
            normal, sick, strange = (line(measured[of]) for of in ("normal", "sick", "strange"))
            kids = measured["labels"].cpu().numpy()
            borrowed = np.mean([auc(kids, line(measured[look])) for look in BORROWED])
            figures = (auc_between(normal, sick), auc_between(strange, sick), float(borrowed))
            print(f"{name:<24} {pull:<6g} " + "  ".join(f"{each:.3f}" for each in figures), flush=True)

    def _measured(self, network: nn.Module, size: int) -> dict[str, Tensor]:
        normal = self._of("external", lambda source, label: source in NORMALS and label == 0)
        sick = self._of("external", lambda source, label: source in SICK and label == 1)
        kids = self._of("validation", lambda source, _: source == "kermany")
        labels = np.array([self._samples[i].label for i in kids], np.int64)
        shown = self._shown(kids)
        others = shown[torch.from_numpy(other_class(np.array(["kermany"] * len(kids)), labels))]
        strange = self._training.unlabelled[1]["hull"][:, None].float() / 255
        found = {name: _pooled(network, change(shown, others), size) for name, change in BORROWED.items()}
        found |= {"strange": _pooled(network, strange, size), "labels": torch.from_numpy(labels)}
        return found | {
            name: _pooled(network, self._shown(of), size) for name, of in (("normal", normal), ("sick", sick))
        }

    def _of(self, part: str, wanted: Callable[[str, int], bool]) -> list[int]:
        return [i for i, s in enumerate(self._samples) if s.part == part and wanted(s.source, s.label)]

    def _shown(self, rows: list[int]) -> Tensor:
        return self._pixels[rows][:, None].float() / 255


@torch.no_grad()
def _pooled(network: nn.Module, images: Tensor, size: int) -> Tensor:
    found = []
    for x in torch.split(images, 256):
        if size != x.shape[-1]:
            x = interpolate(x, size=(size, size), mode="bilinear", antialias=True)
        found.append(features(network, x * 2 - 1).double())
    return torch.cat(found)


def _fit(
    x: Tensor, labels: NDArray[np.int64], groups: NDArray[np.str_], pull: float
) -> Callable[[Tensor], NDArray[np.float64]]:
    """Return the log-odds of features, by a logistic regression of standardised features."""
    mean, spread = x.mean(dim=0), x.std(dim=0).clamp(min=1e-6)
    spread = spread.clamp(min=0.1 * float(spread.mean()))
    _, numbers, counts = np.unique(groups, return_inverse=True, return_counts=True)
    of_class = {label: len({groups[i] for i in np.flatnonzero(labels == label)}) for label in (0, 1)}
    shares = np.array([0.5 / of_class[label] / counts[n] for label, n in zip(labels, numbers, strict=True)])
    share, target = (torch.from_numpy(each).to(x) for each in (shares, labels * 0.95 + 0.025))
    line = torch.zeros(x.shape[1] + 1, dtype=x.dtype, device=x.device, requires_grad=True)
    z = (x - mean) / spread

    def loss() -> Tensor:
        fits = binary_cross_entropy_with_logits(z @ line[1:] + line[0], target, share, reduction="sum")
        return fits + pull * line[1:].square().sum() / 2

    minimise(loss, [line], steps=200)
    fixed = line.detach()
    return lambda x: ((x - mean) / spread @ fixed[1:] + fixed[0]).cpu().numpy()


def main() -> None:
    """Print the table."""
    probed = Probed(cast(Recipe, read_recipe(Path(sys.argv[1]))))
    for asked in sys.argv[2:]:
        of, size, file = asked.split("=")
        network = untrained(of)
        load_weights(network, Path(file))
        probed.rows(f"{of}, {Path(file).stem}", network.to(probed._pixels.device).eval(), int(size))


if __name__ == "__main__":
    main()
