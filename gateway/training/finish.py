"""Turns trained weights into a model: detector, calibration, card and figures. `train` calls it last.

The figures come from images that no earlier step used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Generator, nn

from gateway.model.abstention import Detector
from gateway.model.card import Abstention, ModelCard, Weights
from gateway.training.augmentation import Augmenter
from gateway.training.calibration import calibrate
from gateway.training.descriptions import describe
from gateway.training.evaluation.measure import Progress
from gateway.training.image_set import ImageSet
from gateway.training.negatives import NEGATIVES, make_negatives
from gateway.training.outliers import fit_detector, limits
from gateway.training.publish import publish
from gateway.training.recipe import Augmentation, Recipe

WEIGHTS_NAME = "model.safetensors"
PER_GROUP = 500  # training images of each source and class for fitting the detector
FAMILIAR = Augmentation(  # differences between hospitals, from which the model must not abstain
    rotation=8, zoom=(0.8, 1.1), aspect=0.2, shift=0.04, shear=0.03, warp=0.02, spectrum=0.5, tones=0.5,
    local_contrast=0.1, frame=0.1, resolution=0.5, gamma=0.2, contrast=0.2, brightness=0.05, noise=0.03,
)  # fmt: skip


def finish(recipe: Recipe, network: nn.Module, image_set: ImageSet, progress: Progress) -> None:
    """Write weights, card and figures of `network`, in evaluation mode, to the recipe's folder."""
    detector, abstention = _detector(network, image_set, progress)
    temperature = calibrate(network, image_set, progress)
    _write_weights(network, detector, recipe.out / WEIGHTS_NAME)
    card = _card(recipe, abstention, temperature)
    publish(recipe, card, image_set.samples, progress)


def _detector(network: nn.Module, image_set: ImageSet, progress: Progress) -> tuple[Detector, Abstention]:
    rows = image_set.draw("train", PER_GROUP)
    views = (image_set.pixels[rows], _familiar(image_set.pixels[rows]))
    chests = [describe(network, pixels).description for pixels in views]
    negatives = []
    for i, kind in enumerate(NEGATIVES):
        used = np.resize(rows, max(len(rows), len(NEGATIVES)))[i :: len(NEGATIVES)]
        made = make_negatives(image_set.pixels[used], kind, np.random.default_rng(i))
        negatives.append(describe(network, made).description)
        progress(i + 1, len(NEGATIVES), "kinds of negatives described")
    detector = fit_detector(torch.cat(chests), image_set.groups(rows).repeat(2), torch.cat(negatives))
    seen = image_set.draw("validation")
    scores = detector.score(describe(network, image_set.pixels[seen]).description.numpy())
    return detector, limits(torch.from_numpy(scores), image_set.groups(seen))


def _familiar(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a `FAMILIAR` view of each image."""
    augment = Augmenter(FAMILIAR, pixels.shape[-1], Generator().manual_seed(0))
    batches = torch.split(torch.from_numpy(pixels), 128)
    views = [(augment(batch)[:, 0] + 1) * 127.5 for batch in batches]
    return torch.cat(views).round().to(torch.uint8).numpy()


def _write_weights(network: nn.Module, detector: Detector, path: Path) -> None:
    """Write weights in half precision: half the size; the log-odds change by less than 0.001."""
    of_detector = {name: torch.from_numpy(array) for name, array in detector.tensors().items()}
    tensors = dict(network.state_dict()) | of_detector
    kept = {name: t for name, t in tensors.items() if not name.endswith("num_batches_tracked")}
    save_file({name: tensor.half().cpu().contiguous() for name, tensor in kept.items()}, path)


def _card(recipe: Recipe, abstention: Abstention, temperature: float | None) -> ModelCard:
    sha256 = hashlib.sha256((recipe.out / WEIGHTS_NAME).read_bytes()).hexdigest()
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        weights=Weights(file=WEIGHTS_NAME, sha256=sha256),
        abstention=abstention,
        temperature=temperature,
        data=recipe.data,
        licence=recipe.licence,
        intended_use=recipe.intended_use,
    )
