"""The recipe of a model: sources, split, augmentations and stages, read from YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ConfigurationError
from gateway.model.card import TrainingData

Class = Literal["Normal", "Pneumonia"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSource(_Frozen):
    """One data set: a folder whose sub-folders are classes.

    Attributes
    ----------
    folder
        Where the publisher's archive was unpacked; relative to `Recipe.root`.
    classes
        Sub-folder of `folder` → class.
    weights
        Class → its share of each batch, in any unit; a class that is not named is not drawn.
    patient
        Regular expression whose first group, found in the file's stem, names the patient.
    validation, heldout
        Shares of the patients that are kept for choosing the model, and for measuring the chosen one.
    """

    name: str
    folder: Path
    classes: dict[str, Class]
    weights: dict[Class, float] = {"Normal": 1.0, "Pneumonia": 1.0}
    patient: str = r"^(.*)$"
    validation: Fraction = 0.1
    heldout: Fraction = 0.0


class Augmentation(_Frozen):
    """Ranges of the random changes made to each training image; 0 leaves one out.

    Attributes
    ----------
    rotation, shear
        Degrees, either way; greatest slant.
    zoom
        Least and greatest side of the window cut out, as a share of the image's.
    aspect, shift
        Greatest change of the window's aspect ratio (logarithm), and of its centre (share of the side).
    warp
        Greatest smooth displacement, as a share of half the side.
    spectrum, tones
        Probability of taking another image's power at each spatial frequency; its grey values.
    flip, frame, local_contrast, resolution, cutout
        Probability of: mirroring; replacing the margins; normalising contrast locally; weakening or
        strengthening fine detail; blanking a rectangle.
    gamma, contrast, brightness, noise
        Greatest change of each: logarithm, logarithm, grey range, standard deviation in the grey range.
    mixup
        Parameter of the beta distribution by which pairs of images are blended.
    """

    rotation: float = 20.0
    zoom: tuple[float, float] = (0.55, 1.1)
    aspect: float = 0.2
    shift: float = 0.15
    shear: float = 0.0
    warp: float = 0.0
    spectrum: Fraction = 0.0
    tones: Fraction = 0.0
    flip: Fraction = 0.5
    frame: Fraction = 0.0
    local_contrast: Fraction = 0.0
    resolution: Fraction = 0.0
    cutout: Fraction = 0.0
    gamma: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0
    mixup: float = 0.0


class Teacher(_Frozen):
    """A network to imitate: a stage or a file of weights, and the size of the images that it is shown."""

    weights: str
    size: Positive


class TrainingStage(_Frozen):
    """One training run.

    Attributes
    ----------
    objective
        `contrast` (self-supervised: two views of an image agree, MoCo v3), `classify`, `distil` (imitate
        the mean of `teachers` on the same view), or `average` (no training: the mean of the weights of
        `members`, whose normalisations are estimated anew over `samples` views).
    start
        Stage, or file of weights, whose weights this one starts from; null: random initialisation.
    teachers
        Whom `distil` imitates, each at its own size.
    members
        Stages, or files of weights, that `average` averages; they should have had the same `start`.
    seed
        Added to the recipe's: stages that are to differ in nothing but chance differ in it.
    sources
        Names of the sources drawn from; empty: all.
    size
        Side of the images in pixels.
    samples
        Images seen in all; with `seconds`, whichever ends first, and the schedule follows it.
    rate, warm_up, weight_decay
        Peak of the cosine learning rate, its warm-up as a share of the stage, L2 decay of the weights.
    average
        Decay of the exponential moving average of the weights, per step.
    """

    name: str
    objective: Literal["contrast", "classify", "distil", "average"]
    start: str | None = None
    teachers: tuple[Teacher, ...] = ()
    members: tuple[str, ...] = ()
    seed: int = 0
    sources: tuple[str, ...] = ()
    augmentation: str
    size: Positive = 224
    batch: Positive = 256
    samples: Positive
    seconds: float | None = None
    optimiser: Literal["sgd", "adam"] = "sgd"
    rate: float = 0.1
    warm_up: Fraction = 0.05
    weight_decay: float = 5e-4
    smoothing: Fraction = 0.05
    average: Fraction = 0.99

    @property
    def weights(self) -> tuple[str, ...]:
        """Names of all stages and files whose weights this stage needs."""
        start = (self.start,) if self.start else ()
        return *start, *(teacher.weights for teacher in self.teachers), *self.members


def is_file(name: str) -> bool:
    """Whether weights are named by a file's path and not by their stage."""
    return "." in name


class Test(_Frozen):
    """A set that no training image, patient or hospital visit is in; measured once, at the end."""

    name: str
    folder: Path
    classes: dict[str, Class]


class Recipe(_Frozen):
    """What `gateway train` reads; see `config/train.yaml` for every key with its comment."""

    name: str
    version: str
    root: Path = Path()
    out: Path
    seed: int = 1
    device: str = "auto"
    compiled: bool = False
    sources: tuple[DataSource, ...]
    augmentations: dict[str, Augmentation]
    stages: tuple[TrainingStage, ...]
    test: Test | None = None
    data: tuple[TrainingData, ...] = ()
    licence: str = ""
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
    def _names_are_known(self) -> Recipe:
        sources, stages = {source.name for source in self.sources}, set[str]()
        for stage in self.stages:
            unknown = {name for name in stage.weights if not is_file(name)} - stages
            unknown |= set(stage.sources) - sources
            unknown |= {stage.augmentation} - set(self.augmentations)
            if unknown:
                raise ValueError(f"stage {stage.name} names {sorted(unknown)}, which is nowhere before it")
            stages.add(stage.name)
        return self


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises
    ------
    ConfigurationError
        The file cannot be read or does not describe a training; all problems in one line.
    """
    try:
        return Recipe.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"recipe {path} cannot be read: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors()
        )
        raise ConfigurationError(f"recipe {path}: {problems}") from error
