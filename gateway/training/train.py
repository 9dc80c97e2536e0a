"""`gateway train`: trains the stages of a recipe in order and writes the model, or trains the lung network.

Finished stages are not repeated, and an interrupted stage resumes. Errors in recipe, images or weights are
reported before training begins.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from gateway.errors import ConfigurationError
from gateway.model.abstention import PREFIX as DETECTOR
from gateway.model.network import build_network, load_into
from gateway.model.torch_engine import find_device
from gateway.model.weights import check_shapes, decode_weights, read_bytes
from gateway.training.augmentation import Augmenter
from gateway.training.average import mean_of, renormalise
from gateway.training.batches import Batches
from gateway.training.crops import Cropper, cropper
from gateway.training.detector_images import detector_rows, load_detector_images
from gateway.training.duplicates import first_copies
from gateway.training.evaluation.dataset import find_labelled, load_input
from gateway.training.evaluation.plots import require_matplotlib
from gateway.training.finish import finish
from gateway.training.image_set import ImageSet
from gateway.training.inflated import is_inflated, slice_of
from gateway.training.lung_training import train_lungs
from gateway.training.objectives import Classify, Contrast, Distil, Features, Objective
from gateway.training.pixels import Progress, load_pixels
from gateway.training.recipe import LungRecipe, Recipe, TrainingStage, is_file, read_recipe
from gateway.training.samples import Part, Sample, check_split, find_samples
from gateway.training.stage import StageRun
from gateway.training.trunk import features
from gateway.training.validation import summary, validate, validate_external


def train(config: Path, progress: Progress, stages: Sequence[str] = ()) -> Path:
    """Train the model of the recipe `config`; return the output folder.

    Names in `stages` restrict the training to these stages, so that several devices can share the work; no
    model is written then.

    Raises
    ------
    ConfigurationError
        The recipe, a folder, an image or a weights file is unusable; raised before training begins.
    """
    require_matplotlib()
    recipe = read_recipe(config)
    if isinstance(recipe, LungRecipe):
        return train_lungs(recipe, progress)
    unknown = sorted(set(stages) - {stage.name for stage in recipe.stages})
    if unknown:
        raise ConfigurationError(f"recipe {config} has no stage {', '.join(unknown)}")
    samples = find_samples(recipe)
    _check_later_files(recipe, samples, progress)
    crop = cropper(recipe.lungs, find_device(recipe.device))
    training = Training(recipe, samples, crop, progress)
    training.run(stages)
    if not stages:
        network = training.trained(recipe.stages[-1].name)
        real = load_detector_images(recipe, crop, progress)
        finish(recipe, network, training.image_set, crop, real, progress)
    return recipe.out


class Training:
    """The stages of one recipe over one image set, which stays on the training device."""

    def __init__(self, recipe: Recipe, samples: list[Sample], crop: Cropper, progress: Progress) -> None:
        self._recipe, self._progress = recipe, progress
        self._device = find_device(recipe.device)
        pixels = load_pixels([sample.path for sample in samples], recipe.out / "cache", progress)
        kept = np.flatnonzero(first_copies(pixels))
        whole = pixels[kept]
        self.image_set = ImageSet([samples[i] for i in kept], crop(whole).pixels, whole)
        self._pixels = torch.from_numpy(self.image_set.pixels).to(self._device)
        self._labels = torch.tensor([sample.label for sample in self.image_set.samples], device=self._device)
        self._features = _compiled(recipe.compiled)
        progress(len(kept), len(samples), "images kept after removing copies")

    def run(self, only: Sequence[str] = ()) -> None:
        """Train every unfinished stage, or those named in `only`."""
        for stage in self._recipe.stages:
            wanted = not only or stage.name in only
            if wanted and not (self._folder(stage.name) / "report.json").exists():
                self._train(stage)

    def trained(self, name: str) -> nn.Module:
        """Return the network of a finished stage, or of a weights file, in evaluation mode."""
        network = build_network()
        self._load(network, name)
        placed = cast(Any, network).to(self._device, memory_format=torch.channels_last)
        return cast(nn.Module, placed.eval().requires_grad_(False))

    def _train(self, stage: TrainingStage) -> None:
        generator = Generator(self._device).manual_seed(self._recipe.seed + stage.seed)
        batches = Batches(self.image_set.samples, self._drawn_from(stage), stage.batch, generator)
        if stage.objective == "average":
            self._average(stage, batches, generator)
            return
        network = self._start(stage)
        objective = self._objective(stage, network, generator)
        run = StageRun(stage, network, objective, batches, generator, self._folder(stage.name))
        losses = run.run(self._pixels, self._labels, self._progress)
        self._finish(stage, run.average, run.seen, losses)

    def _average(self, stage: TrainingStage, batches: Batches, generator: Generator) -> None:
        network = mean_of([self.trained(name) for name in stage.members])
        augment = Augmenter(self._recipe.augmentations[stage.augmentation], stage.size, generator)
        rounds = math.ceil(stage.samples / stage.batch)
        with self._half_precision():
            renormalise(network, (augment(self._pixels[batches.draw()]) for _ in range(rounds)), features)
        self._folder(stage.name).mkdir(parents=True, exist_ok=True)
        self._finish(stage, network, rounds * stage.batch, [])

    def _finish(self, stage: TrainingStage, network: nn.Module, seen: int, losses: list[float]) -> None:
        folder = self._folder(stage.name)
        weights = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        report: dict[str, Any] = {"stage": stage.model_dump(mode="json"), "seen": seen, "losses": losses}
        if stage.objective != "contrast":
            report["validation"] = self._validate(network, stage.size)
            report["external"] = self._validate_external(network, stage.size)
            report["summary"] = summary(report["validation"], report["external"])
            self._progress(100, 100, f"{stage.name}: {report['summary']}")
        (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")

    def _validate(self, network: nn.Module, size: int) -> dict[str, Any]:
        samples, pixels = self._part("validation")
        with self._half_precision():
            return validate(network, samples, pixels, size, features)

    def _validate_external(self, network: nn.Module, size: int) -> dict[str, Any]:
        samples, pixels = self._part("external")
        with self._half_precision():
            return validate_external(network, samples, pixels, size, features) if samples else {}

    def _part(self, part: Part) -> tuple[list[Sample], Tensor]:
        rows = [i for i, sample in enumerate(self.image_set.samples) if sample.part == part]
        return [self.image_set.samples[i] for i in rows], self._pixels[rows]

    def _half_precision(self) -> torch.autocast:
        return torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda")

    def _objective(self, stage: TrainingStage, network: nn.Module, generator: Generator) -> Objective:
        augment = Augmenter(self._recipe.augmentations[stage.augmentation], stage.size, generator)
        if stage.objective == "contrast":
            return Contrast(network, augment, self._features)
        if stage.objective == "classify":
            return Classify(network, stage, augment, self._features)
        teachers = [(self.trained(teacher.weights), teacher.size) for teacher in stage.teachers]
        return Distil(network, stage, augment, self._features, teachers)

    def _start(self, stage: TrainingStage) -> nn.Module:
        torch.manual_seed(self._recipe.seed + stage.seed)
        network = build_network()
        if stage.start:
            self._load(network, stage.start)
        return cast(nn.Module, cast(Any, network).to(self._device, memory_format=torch.channels_last))

    def _load(self, network: nn.Module, name: str) -> None:
        _load(network, Path(name) if is_file(name) else self._folder(name) / "weights.safetensors")

    def _drawn_from(self, stage: TrainingStage) -> tuple[Any, ...]:
        wanted = stage.sources or [source.name for source in self._recipe.sources]
        return tuple(source for source in self._recipe.sources if source.name in wanted)

    def _folder(self, name: str) -> Path:
        return self._recipe.out / name


def _check_later_files(recipe: Recipe, samples: list[Sample], progress: Progress) -> None:
    """Read weights, tables and test set now, whose errors would otherwise appear after hours."""
    for name in dict.fromkeys(name for stage in recipe.stages for name in stage.weights if is_file(name)):
        _load(build_network(), Path(name))
    for source in recipe.detector:
        detector_rows(recipe, source)
    test = recipe.test
    images = find_labelled(recipe.root / test.folder, test.classes) if test else []
    check_split(samples, [image.path for image in images])
    for i, image in enumerate(images):
        load_input(image.path)
        progress(i + 1, len(images), "test images tried")


def _load(network: nn.Module, path: Path) -> None:
    """Load a weights file; the network keeps its own last layer beside weights of an inflated network."""
    state = decode_weights(path, read_bytes(path)[0])
    of_network = {name: array for name, array in state.items() if not name.startswith(DETECTOR)}
    if is_inflated(of_network):
        last = {name: t.numpy() for name, t in network.state_dict().items() if name.startswith("fc.")}
        of_network = slice_of(of_network) | last
    check_shapes(of_network, path)
    load_into(network, of_network)


def _compiled(wanted: bool) -> Features:
    return cast(Features, torch.compile(features, dynamic=False)) if wanted else features
