"""The stages of a recipe: objective, teachers, augmentation, and the networks to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gateway.training.recipe.part import Fraction, Frozen, Seed

Network = Literal["resnet50", "efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2", "vit-s14"]
Side = Annotated[int, Field(ge=16, le=512)]
StageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Change = Annotated[float, Field(ge=0, le=1)]


def _in_order(zoom: tuple[float, float]) -> tuple[float, float]:
    if zoom[0] > zoom[1]:
        raise ValueError(f"must be the least and the greatest, not {zoom[0]:g} and {zoom[1]:g}")
    return zoom


Zoom = Annotated[float, Field(gt=0, le=4)]


class Augmentation(Frozen):
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
    within
        The same for half of the pairs of one class, of any source, before that.
    beyond
        How far a borrowed look may go past the other image's, and away from it, as a share.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 20.0
    zoom: Annotated[tuple[Zoom, Zoom], AfterValidator(_in_order)] = (0.55, 1.1)
    aspect: Change = 0.2
    shift: Change = 0.15
    shear: Change = 0.0
    warp: Change = 0.0
    spectrum: Fraction = 0.0
    tones: Fraction = 0.0
    flip: Fraction = 0.5
    frame: Fraction = 0.0
    local_contrast: Fraction = 0.0
    resolution: Fraction = 0.0
    cutout: Fraction = 0.0
    gamma: Change = 0.0
    contrast: Change = 0.0
    brightness: Change = 0.0
    noise: Change = 0.0
    mixup: Annotated[float, Field(ge=0, le=10)] = 0.0
    within: Annotated[float, Field(ge=0, le=10)] = 0.0
    beyond: Change = 0.0


class Teacher(Frozen):
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

    weights: Annotated[str, Field(min_length=1)]
    size: Side
    sources: tuple[str, ...] = ()


class LungStep(Frozen):
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


class TrainingStage(Frozen):
    """One training run.

    Attributes
    ----------
    objective
        `contrast` (self-supervised: two views of an image agree, MoCo v3), `classify`, `distil` (imitate
        the mean of `teachers` on the same view), `average` (no training: the mean of the weights of
        `members`, whose normalisations are estimated anew over `samples` views), or `segment` (mark the
        lungs; in a `LungRecipe` alone).
    network
        `resnet50`, which alone can ship, or a teacher: `efficientnet-lite0` to
        `efficientnet-lite2`, `vit-s14`.
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

    name: StageName
    objective: Literal["contrast", "classify", "distil", "average", "segment"]
    network: Network = "resnet50"
    start: str | None = None
    teachers: tuple[Teacher, ...] = ()
    members: tuple[str, ...] = ()
    seed: Seed = 0
    sources: tuple[str, ...] = ()
    augmentation: str
    size: Side = 224
    hull: Fraction = 0.0
    batch: Annotated[int, Field(ge=2)] = 256
    samples: Annotated[int, Field(ge=1)]
    seconds: Annotated[float, Field(gt=0)] | None = None
    optimiser: Literal["sgd", "adam"] = "sgd"
    rate: Annotated[float, Field(gt=0, le=10)] = 0.1
    warm_up: Fraction = 0.05
    weight_decay: Fraction = 5e-4
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.05
    average: Fraction = 0.99

    @property
    def weights(self) -> tuple[str, ...]:
        """The stages and files whose weights this stage needs."""
        start = (self.start,) if self.start else ()
        return *start, *(teacher.weights for teacher in self.teachers), *self.members


def is_file(name: str) -> bool:
    """Tell whether `name` is the path of a weights file, not the name of a stage."""
    return "." in name
