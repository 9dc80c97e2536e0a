"""The recipe of a model, read from YAML: sources, split, augmentations and stages.

`train` reads it. A recipe that is read is valid: unknown keys and names are errors, all reported at once. A
recipe of the kind `lungs` describes the lung network, any other a classifier.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ConfigurationError
from gateway.model.card import TrainingData, problems_of

Class = Literal["Normal", "Pneumonia"]
Network = Literal["resnet50", "efficientnet-lite2", "vit-s14"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSource(_Frozen):
    """One data set: a folder with one sub-folder or more for each class, or a folder with a table.

    Attributes
    ----------
    folder
        Folder of the publisher's unpacked archive, relative to `Recipe.root`.
    classes
        Sub-folder of `folder` → class.
    table
        In the place of `classes`: CSV file, relative to `Recipe.root`, with the columns `file` (in `folder`),
        `patient` and `pneumonia` (1, 0, or empty: no label, not used).
    left_out
        CSV file, relative to `Recipe.root`, whose first column names files that are not used.
    weights
        Class → share of each batch, in any unit; other classes are not drawn.
    patient
        Regular expression for the stem of a file name; the first group is the patient. For `classes` alone.
    validation, heldout
        Shares of the patients, 0–1, for choosing the model and for measuring the chosen model.
    external
        The validation part stands for hospitals that the model does not know: unchanged, together with the
        other external ones, and neither temperature nor limits are fitted to it.
    """

    name: str
    folder: Path
    classes: dict[str, Class] = {}
    table: Path | None = None
    left_out: Path | None = None
    weights: dict[Class, float] = {"Normal": 1.0, "Pneumonia": 1.0}
    patient: str = r"^(.*)$"
    validation: Fraction = 0.1
    heldout: Fraction = 0.0
    external: bool = False

    @model_validator(mode="after")
    def _one_description(self) -> DataSource:
        if bool(self.classes) == bool(self.table):
            raise ValueError(f"source {self.name} needs classes or a table, and not both")
        return self


class DetectorSource(_Frozen):
    """Images of a CSV table that the out-of-distribution detector is fitted to and measured on.

    Attributes
    ----------
    folder, table
        Folder of images, and CSV file with the columns `file`, `patient` (empty: the file's own) and `label`.
    frontal
        Labels of frontal chest radiographs; images of every other label are negatives.
    heldout
        Share of the patients, 0–1, on whom the detector is measured, not fitted.
    """

    name: str
    folder: Path
    table: Path
    frontal: tuple[str, ...] = ()
    heldout: Fraction = 0.5


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
    """A network to imitate.

    Attributes
    ----------
    weights
        Stage, or file of weights.
    size
        Side of its images in pixels.
    sources
        Names of the sources on whose images it is imitated; empty: all.
    """

    weights: str
    size: Positive
    sources: tuple[str, ...] = ()


class LungStep(_Frozen):
    """A trained lung network, and what is shown of an image; as in the model's card.

    Attributes
    ----------
    weights
        File of its weights; `lungs.yaml` beside it is copied with it.
    margin
        Share of the lungs' height and width that the box has more on each side.
    region
        `box`, or `hull`: all outside the convex hull of the lungs black.
    """

    weights: Path
    margin: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    region: Literal["box", "hull"] = "box"


class TrainingStage(_Frozen):
    """One training run.

    Attributes
    ----------
    objective
        `contrast` (self-supervised: two views of an image agree, MoCo v3), `classify`, `distil` (imitate
        the mean of `teachers` on the same view), `average` (no training: the mean of the weights of
        `members`, whose normalisations are estimated anew over `samples` views), or `segment` (mark the
        lungs; in a `LungRecipe` alone).
    network
        `resnet50`, which alone can ship, or a teacher: `efficientnet-lite2`, `vit-s14`.
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
    hull
        Share of the views in which all outside the convex hull of the lungs is black. Beyond a half the stage
        is validated on such images.
    samples
        Total number of images; with `seconds`, the stage ends at whichever comes first.
    rate, warm_up, weight_decay
        Peak of the cosine learning rate, its warm-up as a share of the stage, L2 decay of the weights.
    average
        Decay of the exponential moving average of the weights, per step.
    """

    name: str
    objective: Literal["contrast", "classify", "distil", "average", "segment"]
    network: Network = "resnet50"
    start: str | None = None
    teachers: tuple[Teacher, ...] = ()
    members: tuple[str, ...] = ()
    seed: int = 0
    sources: tuple[str, ...] = ()
    augmentation: str
    size: Positive = 224
    hull: Fraction = 0.0
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
    """The settings of `gateway train`; `config/train.yaml` explains every key.

    Attributes
    ----------
    lungs
        The lung network that crops every image. Null: the classifier sees whole images.
    detector
        Real images for the out-of-distribution detector, beside training images and computed negatives.
    """

    kind: Literal["classifier"] = "classifier"
    name: str
    version: str
    root: Path = Path()
    out: Path
    seed: int = 1
    device: str = "auto"
    compiled: bool = False
    lungs: LungStep | None = None
    sources: tuple[DataSource, ...]
    detector: tuple[DetectorSource, ...] = ()
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


class MaskSource(_Frozen):
    """Lung masks, and the images that they belong to.

    Attributes
    ----------
    masks, images
        Folders, relative to `LungRecipe.root`; a mask is white where lung is.
    pattern
        Regular expression for the stem of a mask; the first group is the stem of its image. Others are of
        another source.
    table
        CSV file with the columns `file` and `patient` of the images; null: every image has a patient of its
        own.
    validation
        Share of the patients, 0–1, on whom Dice is measured.
    """

    name: str
    masks: Path
    images: Path
    pattern: str
    table: Path | None = None
    validation: Fraction = 0.2


class LungRecipe(_Frozen):
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
    name: str
    version: str
    root: Path = Path()
    out: Path
    seed: int = 1
    device: str = "auto"
    masks: tuple[MaskSource, ...]
    without_lungs: tuple[DetectorSource, ...] = ()
    looks: tuple[Path, ...] = ()
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25)
    augmentation: Augmentation
    stage: TrainingStage
    data: tuple[TrainingData, ...] = ()
    licence: str = ""


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
