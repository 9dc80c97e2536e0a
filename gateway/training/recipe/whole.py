"""The recipes of both networks, as files hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.model.card import TrainingData
from gateway.training.recipe.part import Fraction, Frozen, Seed, Text
from gateway.training.recipe.sources import DataSource, DetectorSource, MaskSource, Test
from gateway.training.recipe.stages import Augmentation, LungStep, TrainingStage


class _Shared(Frozen):
    """The keys that recipes of the classifier and of the lung network share; never read by itself."""

    name: Text
    version: Text
    root: Path = Path()
    out: Path
    seed: Seed = 1
    device: Annotated[str, Field(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
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
    sources: Annotated[tuple[DataSource, ...], Field(min_length=1)]
    detector: tuple[DetectorSource, ...] = ()
    augmentations: dict[str, Augmentation]
    stages: Annotated[tuple[TrainingStage, ...], Field(min_length=1)]
    test: Test | None = None
    intended_use: str = ""
    procedure: str = ""
    limits: str = ""


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
    masks: Annotated[tuple[MaskSource, ...], Field(min_length=1)]
    without_lungs: tuple[DetectorSource, ...] = ()
    looks: tuple[Path, ...] = ()
    shares: tuple[Fraction, Fraction, Fraction] = (0.6, 0.15, 0.25)
    augmentation: Augmentation
    stage: TrainingStage
