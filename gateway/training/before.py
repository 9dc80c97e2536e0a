"""Examines what a recipe names before any time is spent: folders, weights, tables, shares and the test set.

`train` and `refusal` call it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from gateway.errors import ConfigurationError
from gateway.files.folders import check_writable
from gateway.model.torch_engine import find_device
from gateway.training.batches import Batches
from gateway.training.crops import read_lung_network
from gateway.training.detector_images import detector_rows
from gateway.training.duplicates import check_test_set
from gateway.training.evaluation.dataset import LabelledImage, find_labelled, load_input
from gateway.training.networks import load_weights, untrained
from gateway.training.pixels import Progress
from gateway.training.recipe import LungRecipe, Recipe
from gateway.training.recipe.agreement import drawn_from
from gateway.training.recipe.stages import is_file
from gateway.training.samples import CLASSES, Sample, check_split, find_samples


def check_places(recipe: Recipe | LungRecipe) -> None:
    """Check that the output folder can be written, and that the device exists.

    Raises
    ------
    GatewayError
        The first that is not so.
    """
    check_writable(recipe.out, "out in the recipe")
    find_device(recipe.device)


def checked_samples(recipe: Recipe, progress: Progress) -> list[Sample]:
    """Return the samples of a recipe, see `find_samples`; none of them is of the test set or the detector.

    Raises
    ------
    ConfigurationError
        A folder, a table, a test image or the lung network is unusable, or an image has two places.
    """
    if recipe.lungs:
        read_lung_network(recipe.lungs.weights)
    samples = find_samples(recipe)
    tested = _tested(recipe)
    check_split(samples, _others(recipe, tested))
    _check_patients(recipe, samples)
    _check_validation(samples)
    for i, image in enumerate(tested):
        load_input(image.path)
        progress(i + 1, len(tested), "test images tried")
    check_test_set(samples, [image.path for image in tested], recipe.out / "cache", progress)
    return samples


def check_stages(recipe: Recipe, samples: list[Sample], only: Sequence[str] = ()) -> None:
    """Check the weights that stages name, and the shares of their batches.

    Parameters
    ----------
    only
        Names of the stages that are to run; empty: all.

    Raises
    ------
    ConfigurationError
        A file is unusable, an earlier stage is not finished, or no batch can be drawn; errors would otherwise
        appear after hours.
    """
    starts = {(stage.start, stage.network) for stage in recipe.stages if stage.start}
    others = {(name, "resnet50") for stage in recipe.stages for name in stage.weights if name != stage.start}
    for name, of in sorted(starts | others):
        if is_file(name):
            load_weights(untrained(of), Path(name))
    for stage in recipe.stages:
        for name in stage.weights if stage.name in only else ():
            if not (is_file(name) or name in only or (recipe.out / name / "report.json").exists()):
                raise ConfigurationError(f"stage {stage.name} needs stage {name}: train that first")
    alike = {(stage.sources, stage.batch): stage for stage in reversed(recipe.stages)}
    for stage in alike.values():
        try:
            Batches(samples, drawn_from(recipe, stage), stage.batch, torch.Generator())
        except ConfigurationError as error:
            raise ConfigurationError(f"stage {stage.name}: {error}") from error


def _check_patients(recipe: Recipe, samples: list[Sample]) -> None:
    """Check that no patient of a folder is in another part by another source of that folder."""
    folders = {source.name: (recipe.root / source.folder).resolve() for source in recipe.sources}
    found: dict[tuple[Path, str], Sample] = {}
    for sample in samples:
        first = found.setdefault((folders[sample.source], sample.patient), sample)
        if first.part != sample.part:
            raise ConfigurationError(
                f"patient {sample.patient} is in two parts: {first.path} ({first.source}, {first.part}), "
                f"{sample.path} ({sample.source}, {sample.part}); make one source of the two, or leave one "
                "image out"
            )


def _check_validation(samples: list[Sample]) -> None:
    """Check that both classes are in the part that the model is chosen by."""
    apart = {sample.label for sample in samples if sample.part == "validation"}
    for label, name in enumerate(CLASSES):
        if label not in apart:
            told = f"no image of {name} is in the validation part"
            raise ConfigurationError(f"{told}: raise validation of a source that has some")


def _tested(recipe: Recipe) -> list[LabelledImage]:
    test = recipe.test
    return find_labelled(recipe.root / test.folder, test.classes) if test else []


def _others(recipe: Recipe, tested: list[LabelledImage]) -> Iterator[tuple[Path, str]]:
    for image in tested:
        yield image.path, "the test set"
    for source in recipe.detector:
        for row in detector_rows(recipe, source):
            yield row.path, f"detector {source.name}"
