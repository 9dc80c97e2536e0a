"""Sets the limits of abstention of a finished model anew. `gateway train --limits-of` calls it.

Weights, detector, lung network, threshold and temperature stay as they are.
"""

from __future__ import annotations

from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.model.card import ModelCard
from gateway.model.network import build_network, load_into
from gateway.model.predictor import read_model
from gateway.model.torch_engine import find_device
from gateway.model.weights import read_bytes
from gateway.training.before import check_places, checked_samples
from gateway.training.crops import Cropper, cropper
from gateway.training.detector import DetectorFit
from gateway.training.detector_images import load_detector_images
from gateway.training.duplicates import without_copies
from gateway.training.evaluation.plots import require_matplotlib
from gateway.training.image_set import ImageSet
from gateway.training.pixels import Progress, load_pixels
from gateway.training.publish import publish
from gateway.training.recipe import Recipe, read_recipe
from gateway.training.samples import Sample
from gateway.training.shown import kept_crops


def set_limits(config: Path, model: Path, progress: Progress) -> Path:
    """Set the limits of `model` by the validation images of the recipe `config`, and measure it.

    The recipe's folder then holds the model under the recipe's name and version, with card and figures.
    Returns that folder.

    Raises
    ------
    ConfigurationError
        The recipe is not a classifier's, an image is unusable, the model has no detector, or its lung
        network is not the recipe's.
    """
    require_matplotlib()
    recipe = read_recipe(config)
    if not isinstance(recipe, Recipe):
        raise ConfigurationError(f"recipe {config} trains the lung network, which has no limits")
    check_places(recipe)
    card, weighed = read_model(model)
    if weighed.detector is None:
        raise ConfigurationError(f"the model {model} has no detector, whose limits could be set")
    _check_lungs(recipe, card)
    device = find_device(recipe.device)
    network = build_network()
    load_into(network, weighed.state)
    network.to(device).eval().requires_grad_(requires_grad=False)
    crop = cropper(recipe.lungs, device)
    samples, validation = _images(recipe, crop, progress)
    real = load_detector_images(recipe, crop, progress)
    limits = DetectorFit(network, validation, crop, real, progress).limits(weighed.detector)
    _copy(weighed.folder, card, recipe.out)
    new = {"name": recipe.name, "version": recipe.version, "abstention": limits}
    publish(recipe, card.model_copy(update=new), samples, real, progress)
    return recipe.out


def _images(recipe: Recipe, crop: Cropper, progress: Progress) -> tuple[list[Sample], ImageSet]:
    """Return the recipe's samples without copies, and the validation images among them."""
    cache = recipe.out / "cache"
    samples = without_copies(checked_samples(recipe, progress), cache, progress)
    validation = [sample for sample in samples if sample.part == "validation"]
    whole = load_pixels([sample.path for sample in validation], cache, progress)
    return samples, ImageSet(validation, kept_crops(crop, recipe.lungs, whole, cache).pixels, whole)


def _check_lungs(recipe: Recipe, card: ModelCard) -> None:
    """Check that the recipe shows images as the model does."""
    step, lungs = recipe.lungs, card.lungs
    ours = step and (read_bytes(step.weights)[1], step.margin, step.region)
    its = lungs and (lungs.sha256, lungs.margin, lungs.region)
    if ours != its:
        raise ConfigurationError("the recipe's lung network, margin or region is not the model's")


def _copy(source: Path, card: ModelCard, folder: Path) -> None:
    """Copy weights and lung network."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [card.weights.file]
    if card.lungs:
        names += [card.lungs.file, str(Path(card.lungs.file).with_suffix(".yaml"))]
    for name in names:
        if (source / name).exists():
            (folder / name).write_bytes((source / name).read_bytes())
