"""The recipe of a model, read from YAML: sources, split, augmentations and stages.

`train` reads it. A recipe that is read is valid: unknown keys and names are errors, all reported at once. A
recipe of the kind `lungs` describes the lung network, any other a classifier.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import ValidationError, model_validator

from gateway.errors import ConfigurationError
from gateway.model.card import TrainingData, problems_of
from gateway.training.recipe.part import Frozen
from gateway.training.recipe.sources import DataSource, DetectorSource, MaskSource, Test
from gateway.training.recipe.stages import Augmentation, LungStep, TrainingStage, is_file


class _Shared(Frozen):
    """What the recipes of both networks say."""

    name: str
    version: str
    root: Path = Path()
    out: Path
    seed: int = 1
    device: str = "auto"
    data: tuple[TrainingData, ...] = ()
    licence: str = ""


class Recipe(_Shared):
    """The settings of `gateway train`; `config/train.yaml` explains every key.

    Attributes
    ----------
    lungs
        The lung network that crops every image. Null: the classifier sees whole images.
    detector
        Real images for the out-of-distribution detector, beside training images and computed negatives.
    """

    kind: Literal["classifier"] = "classifier"
    compiled: bool = False
    lungs: LungStep | None = None
    sources: tuple[DataSource, ...]
    detector: tuple[DetectorSource, ...] = ()
    augmentations: dict[str, Augmentation]
    stages: tuple[TrainingStage, ...]
    test: Test | None = None
    intended_use: str = ""
    procedure: str = ""
    limits: str = ""

    @model_validator(mode="after")
    def _objectives_have_whom_they_need(self) -> Recipe:
        needed = {"distil": "teachers", "average": "members"}
        for stage in self.stages:
            key = needed.get(stage.objective)
            if key and not getattr(stage, key):
                raise ValueError(f"stage {stage.name} is to {stage.objective}, but names no {key}")
        return self

    @model_validator(mode="after")
    def _hulls_need_lungs(self) -> Recipe:
        for stage in self.stages:
            if stage.hull and self.lungs is None:
                raise ValueError(f"stage {stage.name} shows hulls of lungs, but the recipe finds no lungs")
        return self

    @model_validator(mode="after")
    def _every_source_has_a_teacher(self) -> Recipe:
        for stage in self.stages:
            drawn = set(stage.sources or (source.name for source in self.sources))
            limited = all(teacher.sources for teacher in stage.teachers)
            untaught = drawn - {name for teacher in stage.teachers for name in teacher.sources}
            if stage.objective == "distil" and limited and untaught:
                raise ValueError(f"stage {stage.name} has no teacher for {', '.join(sorted(untaught))}")
        return self

    @model_validator(mode="after")
    def _a_classifier_is_trained(self) -> Recipe:
        for stage in self.stages:
            if stage.objective == "segment":
                raise ValueError(f"stage {stage.name} is to segment: that is for a recipe of the kind lungs")
        return self

    @model_validator(mode="after")
    def _sources_have_names_of_their_own(self) -> Recipe:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources have the name {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> Recipe:
        sources, stages = {source.name for source in self.sources}, set[str]()
        for stage in self.stages:
            unknown = {name for name in stage.weights if not is_file(name)} - stages
            unknown |= set(stage.sources).union(*(t.sources for t in stage.teachers)) - sources
            unknown |= {stage.augmentation} - set(self.augmentations)
            if unknown:
                raise ValueError(f"stage {stage.name} names {sorted(unknown)}, which is nowhere before it")
            stages.add(stage.name)
        return self


class LungRecipe(_Shared):
    """The settings of `gateway train` for the lung network; `config/train-lungs.yaml` explains every key.

    Attributes
    ----------
    without_lungs
        Tables of other body parts, as for the detector of a classifier: their masks are empty.
    looks
        Folders of images without masks, which lend the others their spectrum and tones.
    shares
        Shares of each batch: images with masks, without lungs, and lenders of looks.
    """

    kind: Literal["lungs"]
    masks: tuple[MaskSource, ...]
    without_lungs: tuple[DetectorSource, ...] = ()
    looks: tuple[Path, ...] = ()
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25)
    augmentation: Augmentation
    stage: TrainingStage


def read_recipe(path: Path) -> Recipe | LungRecipe:
    """Read a recipe.

    Raises
    ------
    ConfigurationError
        The file cannot be read or does not describe a training; all problems in one line.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        kind = content.get("kind") if isinstance(content, dict) else None
        return (LungRecipe if kind == "lungs" else Recipe).model_validate(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"recipe {path} cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigurationError(f"recipe {path}: {problems_of(error, 'recipe')}") from error
