"""`gateway train`: trains the stages of a recipe in order and writes the model, or trains the lung network.

Finished stages are not repeated, and an interrupted stage resumes. Errors in recipe, images or weights are
reported before training begins.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Generator, Tensor, nn

from gateway.errors import ConfigurationError
from gateway.model.lungs import Cut
from gateway.model.torch_engine import find_device
from gateway.training.augmentation import Augmenter
from gateway.training.average import mean_of, renormalise
from gateway.training.batches import Batches
from gateway.training.before import check_places, check_stages, checked_samples
from gateway.training.crops import Cropper, cropper
from gateway.training.detector_images import detector_rows, load_detector_images
from gateway.training.duplicates import without_copies
from gateway.training.evaluation.plots import require_matplotlib
from gateway.training.finish import finish
from gateway.training.image_set import ImageSet
from gateway.training.lung_training import train_lungs
from gateway.training.networks import load_weights, untrained
from gateway.training.objectives import Classify, Contrast, Distil, Features, Objective
from gateway.training.pixels import Progress, load_pixels
from gateway.training.recipe import LungRecipe, Recipe, read_recipe
from gateway.training.recipe.stages import TrainingStage, is_file
from gateway.training.samples import Part, Sample
from gateway.training.scores import Scored, write_scores
from gateway.training.shown import Mixed, kept_crops
from gateway.training.stage import StageRun, Stored
from gateway.training.trunk import features
from gateway.training.validation import scores_of, summary, validate, validate_external


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
    recipe = read_recipe(config, complete=not stages)
    check_places(recipe)
    if isinstance(recipe, LungRecipe):
        return train_lungs(recipe, progress)
    unknown = sorted(set(stages) - {stage.name for stage in recipe.stages})
    if unknown:
        raise ConfigurationError(f"recipe {config} has no stage {', '.join(unknown)}")
    samples = checked_samples(recipe, progress)
    check_stages(recipe, samples, stages)
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
        self._recipe, self._crop, self._progress = recipe, crop, progress
        self._device, self._cache = find_device(recipe.device), recipe.out / "cache"
        single = without_copies(samples, self._cache, progress)
        whole = load_pixels([sample.path for sample in single], self._cache, progress)
        self.image_set = ImageSet(single, kept_crops(crop, recipe.lungs, whole, self._cache).pixels, whole)
        self._labels = torch.tensor([sample.label for sample in self.image_set.samples], device=self._device)
        self._features = _compiled(recipe.compiled)

    def run(self, only: Sequence[str] = ()) -> None:
        """Train every unfinished stage, or those named in `only`."""
        for stage in self._recipe.stages:
            wanted = not only or stage.name in only
            if wanted and not (self._folder(stage.name) / "report.json").exists():
                self._train(stage)

    def trained(self, name: str) -> nn.Module:
        """Return the network of a finished stage, or of a weights file, in evaluation mode."""
        of = next((stage.network for stage in self._recipe.stages if stage.name == name), "resnet50")
        network = untrained(of)
        self._load(network, name)
        return self._placed(network).eval().requires_grad_(requires_grad=False)

    def _train(self, stage: TrainingStage) -> None:
        generator = Generator(self._device).manual_seed(self._recipe.seed + stage.seed)
        batches = Batches(self.image_set.samples, self._drawn_from(stage), stage.batch, generator)
        if stage.objective == "average":
            self._average(stage, batches, generator)
            return
        network = self._start(stage)
        objective = self._objective(stage, network, generator)
        run = StageRun(stage, network, objective, batches, generator, self._folder(stage.name))
        losses = run.run(self._shown(stage, generator), self._targets(stage), self._progress)
        self._finish(stage, run.average, run.seen, losses)

    def _average(self, stage: TrainingStage, batches: Batches, generator: Generator) -> None:
        network = mean_of([self.trained(name) for name in stage.members])
        augment = Augmenter(self._recipe.augmentations[stage.augmentation], stage.size, generator)
        rounds, shown = math.ceil(stage.samples / stage.batch), self._shown(stage, generator)
        with self._half_precision():
            renormalise(network, (augment(shown[batches.draw()]) for _ in range(rounds)), features)
        self._folder(stage.name).mkdir(parents=True, exist_ok=True)
        self._finish(stage, network, rounds * stage.batch, [])

    def _finish(self, stage: TrainingStage, network: nn.Module, seen: int, losses: list[float]) -> None:
        folder = self._folder(stage.name)
        weights = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        report: dict[str, Any] = {"stage": stage.model_dump(mode="json"), "seen": seen, "losses": losses}
        if stage.objective != "contrast":
            report["validation"] = self._validate(network, stage)
            report["external"] = self._validate_external(network, stage)
            write_scores(folder / "scores.csv", self._scores(network, stage.size))
            report["summary"] = summary(report["validation"], report["external"])
            self._progress(100, 100, f"{stage.name}: {report['summary']}")
        (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")

    def _validate(self, network: nn.Module, stage: TrainingStage) -> dict[str, Any]:
        samples, pixels = self._part("validation", _region(stage))
        strange = self.unlabelled[1][_region(stage)]
        with self._half_precision():
            return validate(network, samples, pixels, stage.size, features, strange)

    def _validate_external(self, network: nn.Module, stage: TrainingStage) -> dict[str, Any]:
        samples, pixels = self._part("external", _region(stage))
        with self._half_precision():
            return validate_external(network, samples, pixels, stage.size, features) if samples else {}

    def _scores(self, network: nn.Module, size: int) -> Iterator[Scored]:
        """Yield the score of every validation, external and unlabelled image, by box and by hull."""
        rows, of_region = self.unlabelled
        for region in self._regions:
            parts = [("unlabelled", rows, of_region[region])]
            for part in ("validation", "external"):
                samples, pixels = self._part(part, region)
                listed = [(sample.source, str(sample.label), sample.path.name) for sample in samples]
                parts.append((part, listed, pixels))
            for name, listed, pixels in parts:
                if listed:
                    with self._half_precision():
                        found = scores_of(network, pixels[:, None].float() / 255, size, features)
                    yield from (
                        Scored(region, name, *of, score) for of, score in zip(listed, found, strict=True)
                    )

    def _part(self, part: Part, region: Cut) -> tuple[list[Sample], Tensor]:
        rows = [i for i, sample in enumerate(self.image_set.samples) if sample.part == part]
        return [self.image_set.samples[i] for i in rows], self._stored(region)[rows]

    def _stored(self, region: Cut) -> Tensor:
        return self.hulls if region == "hull" else self._boxes

    @property
    def _regions(self) -> tuple[Cut, ...]:
        return ("box", "hull") if self._recipe.lungs else ("box",)

    @cached_property
    def _boxes(self) -> Tensor:
        """The images cropped to the lungs, or whole ones of a recipe without lungs."""
        return torch.from_numpy(self._crops("box", self.image_set.whole)).to(self._device)

    @cached_property
    def hulls(self) -> Tensor:
        """The images of `_boxes`, all outside the hull of the lungs black."""
        return torch.from_numpy(self._crops("hull", self.image_set.whole)).to(self._device)

    @cached_property
    def unlabelled(self) -> tuple[list[tuple[str, str, str]], dict[Cut, Tensor]]:
        """Source, no label, and name of the frontal chests among the detector's images; and their pixels."""
        sources = [
            (source, row) for source in self._recipe.detector for row in detector_rows(self._recipe, source)
        ]
        frontal = [(source.name, row) for source, row in sources if row.label in source.frontal]
        whole = load_pixels([row.path for _, row in frontal], self._cache, self._progress)
        listed = [(name, "", row.path.name) for name, row in frontal]
        pixels = {region: self._crops(region, whole) for region in self._regions}
        return listed, {region: torch.from_numpy(each).to(self._device) for region, each in pixels.items()}

    def _crops(self, region: Cut, whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
        step = self._recipe.lungs and self._recipe.lungs.model_copy(update={"region": region})
        return kept_crops(cropper(step, self._device), step, whole, self._cache).pixels

    def _shown(self, stage: TrainingStage, generator: Generator) -> Stored:
        if not stage.hull:
            return self._boxes
        return Mixed(self._boxes, self.hulls, stage.hull, generator)

    def _targets(self, stage: TrainingStage) -> Tensor:
        """Return what the objective compares its output with; see `Objective.loss`."""
        if stage.objective != "distil":
            return self._labels
        sources = [sample.source for sample in self.image_set.samples]
        taught = [[not t.sources or source in t.sources for t in stage.teachers] for source in sources]
        shares = torch.tensor(taught, dtype=torch.float32, device=self._device)
        shares /= shares.sum(dim=1, keepdim=True).clamp(min=1)
        return torch.cat([self._labels[:, None].float(), shares], dim=1)

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
        network = untrained(stage.network)
        if stage.start:
            self._load(network, stage.start)
        return self._placed(network)

    def _placed(self, network: nn.Module) -> nn.Module:
        return cast(nn.Module, cast(Any, network).to(self._device, memory_format=torch.channels_last))

    def _load(self, network: nn.Module, name: str) -> None:
        load_weights(network, Path(name) if is_file(name) else self._folder(name) / "weights.safetensors")

    def _drawn_from(self, stage: TrainingStage) -> tuple[Any, ...]:
        wanted = stage.sources or [source.name for source in self._recipe.sources]
        return tuple(source for source in self._recipe.sources if source.name in wanted)

    def _folder(self, name: str) -> Path:
        return self._recipe.out / name


def _region(stage: TrainingStage) -> Cut:
    return "hull" if stage.hull > 0.5 else "box"


def _compiled(wanted: bool) -> Features:
    return cast(Features, torch.compile(features, dynamic=False)) if wanted else features
