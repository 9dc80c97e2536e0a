"""Turns trained weights into a model: detector, calibration, card and figures. `train` calls it last.

The figures come from images that no earlier step used.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import save_file
from torch import nn

from gateway.model.abstention import Detector
from gateway.model.card import Abstention, LungNetwork, ModelCard, Weights
from gateway.training.calibration import calibrate, center
from gateway.training.crops import Cropper
from gateway.training.detector import DetectorFit
from gateway.training.detector_images import DetectorImages
from gateway.training.evaluation.measure import Progress
from gateway.training.image_set import ImageSet
from gateway.training.publish import publish
from gateway.training.recipe import Recipe

WEIGHTS_NAME = "model.safetensors"


def finish(
    recipe: Recipe,
    network: nn.Module,
    image_set: ImageSet,
    crop: Cropper,
    real: DetectorImages | None,
    progress: Progress,
) -> None:
    """Write weights, card and figures of `network`, in evaluation mode, to the recipe's folder."""
    detector, abstention = DetectorFit(network, image_set, crop, real, progress).run()
    _move(network, center(network, image_set))
    temperature = calibrate(network, image_set, progress)
    _write_weights(network, detector, recipe.out / WEIGHTS_NAME)
    card = _card(recipe, abstention, temperature)
    publish(recipe, card, image_set.samples, real, progress)


def _move(network: nn.Module, offset: float) -> None:
    """Subtract an offset from the log-odds."""
    last = cast(nn.Linear, network.fc)
    last.bias.add_(torch.tensor([offset / 2, -offset / 2], device=last.bias.device))


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
        lungs=_copy_lungs(recipe),
        data=recipe.data,
        licence=recipe.licence,
        intended_use=recipe.intended_use,
    )


def _copy_lungs(recipe: Recipe) -> LungNetwork | None:
    """Copy the lung network and its card into the recipe's folder; return its part of the model card."""
    step = recipe.lungs
    if step is None:
        return None
    for path in (step.weights, step.weights.with_suffix(".yaml")):
        if path.exists():
            (recipe.out / path.name).write_bytes(path.read_bytes())
    sha256 = hashlib.sha256(step.weights.read_bytes()).hexdigest()
    return LungNetwork(file=step.weights.name, sha256=sha256, margin=step.margin, region=step.region)
