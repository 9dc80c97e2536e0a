"""`gateway train`: from a recipe to a trained network, stage by stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Generator, nn

from gateway.model.evaluation.plots import require_matplotlib
from gateway.model.network import build_network
from gateway.model.predictor import find_device
from gateway.model.training.augmentation import Augmenter
from gateway.model.training.batches import Batches
from gateway.model.training.duplicates import first_copies
from gateway.model.training.finish import Stock, finish
from gateway.model.training.objectives import Classify, Contrast, Distil, Features, Objective
from gateway.model.training.pixels import Progress, load_pixels
from gateway.model.training.recipe import Recipe, Stage, read_recipe
from gateway.model.training.samples import Sample, check_split, find_samples
from gateway.model.training.stage import StageRun
from gateway.model.training.trunk import features
from gateway.model.training.validation import summary, validate
from gateway.model.weights import decode_weights, load_into, read_bytes


def train(config: Path, progress: Progress) -> Path:
    """Train the model that the recipe `config` describes; return the folder with what came out.

    A stage that is finished is not repeated, and one that was interrupted goes on where it was.

    Raises
    ------
    ConfigurationError
        The recipe, a folder, an image or a weights file is not what it should be; said before any training.
    """
    require_matplotlib()
    recipe = read_recipe(config)
    samples = find_samples(recipe)
    check_split(samples)
    return Training(recipe, samples, progress).run()


class Training:
    """The stages of one recipe over one set of images, which stay on the device."""

    def __init__(self, recipe: Recipe, samples: list[Sample], progress: Progress) -> None:
        self._recipe, self._progress = recipe, progress
        self._device = find_device(recipe.device)
        pixels = load_pixels([sample.path for sample in samples], recipe.out / "cache", progress)
        kept = np.flatnonzero(first_copies(pixels))
        self._stock = Stock([samples[i] for i in kept], pixels[kept])
        self._pixels = torch.from_numpy(self._stock.pixels).to(self._device)
        self._labels = torch.tensor([sample.label for sample in self._stock.samples], device=self._device)
        self._features = _compiled(recipe.compiled)
        progress(len(kept), len(samples), "images kept after removing copies")

    def run(self) -> Path:
        """Train every stage that is not finished yet, and make a model of the last."""
        for stage in self._recipe.stages:
            if not (self._folder(stage.name) / "report.json").exists():
                self._train(stage)
        network = self._trained(self._recipe.stages[-1].name)
        finish(self._recipe, network, self._stock, self._progress)
        return self._recipe.out

    def _train(self, stage: Stage) -> None:
        generator = Generator(self._device).manual_seed(self._recipe.seed)
        network = self._start(stage)
        batches = Batches(self._stock.samples, self._drawn_from(stage), stage.batch, generator)
        objective = self._objective(stage, network, generator)
        run = StageRun(stage, network, objective, batches, generator, self._folder(stage.name))
        losses = run.run(self._pixels, self._labels, self._progress)
        self._finish(stage, run, losses)

    def _finish(self, stage: Stage, run: StageRun, losses: list[float]) -> None:
        folder = self._folder(stage.name)
        weights = {name: tensor.contiguous().cpu() for name, tensor in run.average.state_dict().items()}
        save_file(weights, folder / "weights.safetensors")
        report: dict[str, Any] = {"stage": stage.model_dump(mode="json"), "seen": run.seen, "losses": losses}
        if stage.objective != "contrast":
            report["validation"] = self._validate(run.average, stage.size)
            report["summary"] = summary(report["validation"])
            self._progress(100, 100, f"{stage.name}: {report['summary']}")
        (folder / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")

    def _validate(self, network: nn.Module, size: int) -> dict[str, Any]:
        rows = [i for i, sample in enumerate(self._stock.samples) if sample.part == "validation"]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._device.type == "cuda"):
            samples = [self._stock.samples[i] for i in rows]
            return validate(network, samples, self._pixels[rows], size, features)

    def _objective(self, stage: Stage, network: nn.Module, generator: Generator) -> Objective:
        augment = Augmenter(self._recipe.augmentations[stage.augmentation], stage.size, generator)
        if stage.objective == "contrast":
            return Contrast(network, augment, self._features)
        if stage.objective == "classify":
            return Classify(network, stage, augment, self._features, generator)
        teachers = [(self._trained(teacher.weights), teacher.size) for teacher in stage.teachers]
        return Distil(network, stage, augment, self._features, generator, teachers)

    def _start(self, stage: Stage) -> nn.Module:
        torch.manual_seed(self._recipe.seed)
        network = build_network()
        if stage.start:
            self._load(network, stage.start)
        return cast(nn.Module, cast(Any, network).to(self._device, memory_format=torch.channels_last))

    def _trained(self, name: str) -> nn.Module:
        network = build_network()
        self._load(network, name)
        placed = cast(Any, network).to(self._device, memory_format=torch.channels_last)
        return cast(nn.Module, placed.eval().requires_grad_(False))

    def _load(self, network: nn.Module, name: str) -> None:
        path = Path(name) if "." in name else self._folder(name) / "weights.safetensors"
        load_into(network, decode_weights(path, read_bytes(path)[0]), path)

    def _drawn_from(self, stage: Stage) -> tuple[Any, ...]:
        wanted = stage.sources or [source.name for source in self._recipe.sources]
        return tuple(source for source in self._recipe.sources if source.name in wanted)

    def _folder(self, name: str) -> Path:
        return self._recipe.out / name


def _compiled(wanted: bool) -> Features:
    return cast(Features, torch.compile(features, dynamic=False)) if wanted else features
