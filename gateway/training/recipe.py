"""The recipe of a model, read from YAML: sources, split, augmentations and stages.

`train` reads it. A recipe that is read is valid: unknown keys and names are errors, all reported at once.
"""

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
    """One data set: a folder with one sub-folder or more for each class.

    Attributes
    ----------
    folder
        Folder of the publisher's unpacked archive, relative to `Recipe.root`.
    classes
        Sub-folder of `folder` → class.
    weights
        Class → share of each batch, in any unit; other classes are not drawn.
    patient
        Regular expression for the stem of a file name; the first group is the patient.
    validation, heldout
        Shares of the patients, 0–1, for choosing the model and for measuring the chosen model.
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
    """A network to imitate: a stage or a file of weights, and the side of its images in pixels."""

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
        Stage, or file of weights, to start from; null: random initialisation.
    teachers
        Networks that `distil` imitates.
    members
        Stages, or files of weights, that `average` averages; they should have the same `start`.
    seed
        Added to the recipe's seed; stages that differ only in it differ only by chance.
    sources
        Names of the sources; empty: all.
    size
        Side of the images in pixels.
    samples
        Total number of images; with `seconds`, the stage ends at whichever comes first.
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
        """The stages and files whose weights this stage needs."""
        start = (self.start,) if self.start else ()
        return *start, *(teacher.weights for teacher in self.teachers), *self.members


def is_file(name: str) -> bool:
    """Tell whether `name` is the path of a weights file, not the name of a stage."""
    return "." in name


class Test(_Frozen):
    """A test set without images, patients or visits of the training; measured once, at the end."""

    name: str
    folder: Path
    classes: dict[str, Class]


class Recipe(_Frozen):
    """The settings of `gateway train`; `config/train.yaml` explains every key."""

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
