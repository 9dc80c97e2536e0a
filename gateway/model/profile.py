"""A site profile: what `gateway commission` found for one model at one hospital, in a folder of two files.

`predictor` reads a profile and fits the model to it; `gateway commission` writes one. A profile that is read
is whole: `profile.yaml` ends in the SHA-256 of its other lines, which hold the SHA-256 of
`statistics.safetensors`. Nothing here loads PyTorch.
"""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
import safetensors.numpy
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.errors import ConfigurationError
from gateway.model.card import Fraction, ModelCard, Sha256, Weights
from gateway.model.engines import Measured
from gateway.model.resnet50 import shapes
from gateway.model.weights import State, check_numbers, decode_weights, read_bytes
from gateway.records import FittedSite
from gateway.yaml_files.wording import Wording

PROFILE_NAME = "profile.yaml"
STATISTICS_NAME = "statistics.safetensors"
FORMAT: Literal[1] = 1
STATISTICS = ("running_mean", "running_var")
"""The tensors of a batch normalisation that a profile replaces."""

MOST_SITE_CHARACTERS = 64

_REFERENCE = "reference."  # prefix of the reference answers' tensors
_SEAL = "sha256: "


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FittedModel(_Frozen):
    """The model that a profile belongs to; `lungs_sha256` is of its lung network, None without one."""

    name: str
    version: str
    weights_sha256: Sha256
    lungs_sha256: Sha256 | None = None

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """Return the model of a card."""
        lungs = card.lungs.sha256 if card.lungs else None
        return cls(
            name=card.name, version=card.version, weights_sha256=card.weights.sha256, lungs_sha256=lungs
        )

    def has_weights_of(self, other: Self) -> bool:
        """Tell whether both networks are the same."""
        return (self.weights_sha256, self.lungs_sha256) == (other.weights_sha256, other.lungs_sha256)

    @property
    def in_words(self) -> str:
        """Name, version and the beginning of each network's SHA-256."""
        lungs = f", lung network {self.lungs_sha256[:12]}" if self.lungs_sha256 else ""
        return f"{self.name} {self.version} (weights {self.weights_sha256[:12]}{lungs})"


class Images(_Frozen):
    """SHA-256 of salt and SOP Instance UID (a picture's pixel digest), for each image in use."""

    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    normal: tuple[Sha256, ...]
    sick: tuple[Sha256, ...] = ()


class Part(_Frozen):
    """A share of images, with Wilson's 95 % interval: a figure of a profile."""

    part: int
    whole: Annotated[int, Field(ge=1)]
    low: Fraction
    high: Fraction

    @property
    def value(self) -> float:
        """The share, 0–1."""
        return self.part / self.whole


class Area(_Frozen):
    """Area under the ROC curve, with Newcombe's 95 % interval."""

    value: Fraction
    low: Fraction
    high: Fraction


class Figures(_Frozen):
    """Figures on the site's own images; None where no sick images were given.

    Of a profile they come from cross-validation: no image is judged by statistics or a threshold that it took
    part in.
    """

    specificity: Part
    sensitivity: Part | None = None
    auc: Area | None = None


class Scores(_Frozen):
    """Quantiles (5, 25, 50, 75, 95 %) of the normal images' scores in cross-validation, 0–1."""

    normal: Annotated[tuple[Fraction, ...], Field(min_length=5, max_length=5)]


class ScannerThreshold(_Frozen):
    """The threshold of one scanner, and the number of its normal images."""

    threshold: Fraction
    images: int


class ProfileCard(_Frozen):
    """Content of `profile.yaml`.

    Attributes
    ----------
    site
        The hospital's name.
    target_specificity
        Share of the site's normal chests that the threshold is to leave negative.
    threshold
        Score at and above which the finding counts as present, 0–1.
    temperature
        As on the model card, in its place; None: the model card's.
    scanners
        Scanner (manufacturer and model) with a threshold of its own.
    share
        Share of the site's statistics in the batch normalisations, 0–1; the rest is the model's.
    distance
        Limit of abstention in the place of the model card's; None: the model card's.
    left_out
        Reason → number of images that were given and not used.
    read_again
        Number of images with far-out scores that were read again and kept.
    before, after
        Figures of the model as it was shipped, and with the profile.
    """

    format: Literal[1] = FORMAT
    site: Annotated[
        str, StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_SITE_CHARACTERS)
    ]
    made: date
    software: str
    model: FittedModel
    target_specificity: Fraction
    threshold: Fraction
    temperature: Annotated[float, Field(gt=0)] | None = None
    scanners: dict[str, ScannerThreshold] = {}
    share: Fraction
    distance: float | None = None
    statistics: Weights
    images: Images
    left_out: dict[str, int] = {}
    read_again: int = 0
    before: Figures
    after: Figures
    scores: Scores


class SiteProfile(NamedTuple):
    """A profile that has been read.

    Attributes
    ----------
    card
        The content of `profile.yaml`.
    sha256
        Hexadecimal SHA-256 of the profile.
    statistics
        Mean and variance of every batch normalisation.
    reference
        PyTorch's measurements of the reference images with this profile.
    """

    card: ProfileCard
    sha256: str
    statistics: State
    reference: Measured

    @property
    def identity(self) -> FittedSite:
        """The site as results state it."""
        thresholds = tuple((name, each.threshold) for name, each in sorted(self.card.scanners.items()))
        return FittedSite(self.card.site, self.card.made.isoformat(), self.sha256, thresholds)

    def fit(self, state: State) -> State:
        """Return the model's tensors with the site's statistics; a folded network cannot be fitted."""
        return state | self.statistics

    def fitted(self, card: ModelCard) -> ModelCard:
        """Return the model card with the profile's threshold, temperature and limit of abstention."""
        limits = card.abstention
        if limits and self.card.distance is not None:
            limits = limits.model_copy(update={"distance": self.card.distance})
        return card.model_copy(
            update={
                "threshold": self.card.threshold,
                "temperature": self.card.temperature or card.temperature,
                "abstention": limits,
            }
        )


def read_profile(path: Path, model: ModelCard) -> SiteProfile:
    """Read the profile of a model.

    Parameters
    ----------
    path
        `profile.yaml`, or its folder.
    model
        The card of the model that the profile must belong to.

    Raises
    ------
    ConfigurationError
        A file is missing, changed or damaged, or the profile belongs to another model.
    """
    card, sha256 = read_profile_card(path)
    made_for, present = card.model, FittedModel.of(model)
    if not present.has_weights_of(made_for):
        raise ConfigurationError(
            f"site profile {path} belongs to {made_for.in_words}, the model is {present.in_words}: correct "
            "model.profile, or run gateway commission with this model"
        )
    return SiteProfile(card, sha256, *_read_statistics(_card_path(path).parent, card.statistics))


def read_profile_card(path: Path) -> tuple[ProfileCard, str]:
    """Return the content of `profile.yaml` and its SHA-256, without the statistics.

    Raises
    ------
    ConfigurationError
        The file is missing, changed by hand, or no valid profile; all problems in one line.
    """
    path = _card_path(path)
    no_profile = f"{path} is no site profile: name the folder that gateway commission has written"
    if path.exists() and not path.is_file():
        raise ConfigurationError(no_profile)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(f"there is no site profile at {path}: correct model.profile") from None
    except OSError as error:
        raise ConfigurationError(f"site profile {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(no_profile) from None
    body, found, seal = text.rpartition(_SEAL)
    if not found:
        raise ConfigurationError(no_profile)
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    if seal.strip() != sha256:
        raise ConfigurationError(
            f"site profile {path} was changed after it was made: its last line is not the SHA-256 of the "
            "others; restore the file or run gateway commission again"
        )
    try:
        stated = yaml.safe_load(body)
        if isinstance(stated, dict) and stated.get("format") != FORMAT:
            raise ConfigurationError(
                f"site profile {path} has format {stated.get('format')}, this version of the gateway reads "
                f"format {FORMAT}: go back to the version that made it ({stated.get('software')}), or run "
                "gateway commission again"
            )
        return ProfileCard.model_validate(stated), sha256
    except yaml.YAMLError as error:
        raise ConfigurationError(f"site profile {path}: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        raise ConfigurationError(f"site profile {path}: {Wording(ProfileCard).in_one_line(error)}") from error


def sealed(card: ProfileCard) -> tuple[bytes, str]:
    """Return the content of `profile.yaml`, and its SHA-256; `read_profile_card` reads it back."""
    body = yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    sha256 = hashlib.sha256(body.encode()).hexdigest()
    return f"{body}{_SEAL}{sha256}\n".encode(), sha256


def encode_statistics(statistics: State, reference: Measured) -> bytes:
    """Return the content of `statistics.safetensors`; `read_profile` reads it back."""
    answers = {f"{_REFERENCE}{name}": values for name, values in reference._asdict().items()}
    tensors = {
        name: np.ascontiguousarray(array, np.float32) for name, array in (statistics | answers).items()
    }
    return safetensors.numpy.save(tensors)


def is_statistic(name: str) -> bool:
    """Tell whether the tensor of this name is one that a profile replaces."""
    return name.rpartition(".")[2] in STATISTICS


def _read_statistics(folder: Path, expected: Weights) -> tuple[State, Measured]:
    """Return the statistics and the reference answers."""
    path = folder / expected.file
    content, sha256 = read_bytes(path)
    if sha256 != expected.sha256:
        raise ConfigurationError(
            f"{path} has SHA-256 {sha256}, its site profile says {expected.sha256}: restore the file or run "
            "gateway commission again"
        )
    state = decode_weights(path, content)
    reference = {name: state.pop(_REFERENCE + name, None) for name in Measured._fields}
    shapes_of = {name: array.shape for name, array in state.items()}
    whole = shapes_of == {name: shape for name, shape in shapes().items() if is_statistic(name)}
    if not whole or any(array is None for array in reference.values()):
        raise ConfigurationError(
            f"{path} does not hold the statistics of a ResNet-50: run gateway commission"
        )
    check_numbers(state, path)
    return state, Measured(**reference)  # type: ignore[arg-type]


def _card_path(path: Path) -> Path:
    return path / PROFILE_NAME if path.is_dir() else path
