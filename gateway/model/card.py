"""The model card `model.yaml`: weights, input, threshold, calibration, abstention and figures.

`predictor` reads a card, training writes one. A card that is read is valid: unknown keys are errors, and all
problems are reported at once.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import ConfigurationError
from gateway.records import UNDETERMINED, Finding, FittedSite, LungNetworkIdentity, ModelIdentity
from gateway.yaml_files.wording import Wording

CARD_NAME = "model.yaml"
TO_NAME = f"name, here or by model.path, a folder with {CARD_NAME}, a card (.yaml) or weights (.safetensors)"

Fraction = Annotated[float, Field(ge=0, le=1)]
ClassName = Annotated[str, Field(min_length=1, max_length=64)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Weights(_Frozen):
    """File name of the weights, in the folder of the card, and their hexadecimal SHA-256."""

    file: str
    sha256: Sha256


class Input(_Frozen):
    """Input of the network: `size` pixels square, grey repeated to three channels, (x - mean) / std."""

    size: Annotated[int, Field(ge=224, le=224)] = 224
    mean: Annotated[float, Field(ge=0.5, le=0.5)] = 0.5
    std: Annotated[float, Field(ge=0.5, le=0.5)] = 0.5


class Abstention(_Frozen):
    """Limits of the two out-of-distribution scores; at or above either limit the model abstains.

    The key `outlier` was called `junk` before version 0.2; both are read.
    """

    distance: float
    outlier: Annotated[float, Field(validation_alias=AliasChoices("outlier", "junk"))]


class LungNetwork(_Frozen):
    """The network that finds the lungs, to which the classifier's input is cropped.

    Attributes
    ----------
    file, sha256
        Name of its weights, in the folder of the card, and their hexadecimal SHA-256.
    margin
        Share of the lungs' height and width that the box has more on each side.
    region
        What is shown of the image: `box`, or `hull`, with all outside the convex hull of the lungs black.
    """

    file: str
    sha256: Sha256
    margin: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    region: Literal["box", "hull"] = "box"

    @property
    def identity(self) -> LungNetworkIdentity:
        """The part of the model's identity that is the lung network's."""
        return LungNetworkIdentity(self.sha256, self.region, self.margin)


class FindingCode(_Frozen):
    """The finding that the second class stands for, as the SR codes it (PS3.3 8.8)."""

    code: Annotated[str, Field(min_length=1, max_length=16)]
    scheme: Annotated[str, Field(min_length=1, max_length=16)]
    meaning: Annotated[str, Field(min_length=1, max_length=64)]


PNEUMONIA = FindingCode(code="233604007", scheme="SCT", meaning="Pneumonia")


class TrainingData(_Frozen):
    """One data set that the weights were trained on, with its licence and citation."""

    name: str
    images: str
    licence: str
    citation: str


class ModelCard(_Frozen):
    """Content of `model.yaml`.

    Attributes
    ----------
    classes
        Names of the network's two outputs: without and with the finding. Answers bear these names.
    finding
        What the second class stands for; cards from before there was this field mean pneumonia.
    threshold
        Score at and above which the finding counts as present, 0–1.
    temperature
        Divisor of the log-odds before the logistic function; null: the log-odds are not divided.
    abstention
        Limits beyond which the model abstains; null: the model always answers.
    lungs
        The lung network; null: the classifier sees whole images.
    metrics
        Figures by data set, as `gateway evaluate` measured them.
    """

    name: str
    version: str
    architecture: Literal["resnet50"] = "resnet50"
    weights: Weights
    classes: tuple[ClassName, ClassName] = ("Normal", "Pneumonia")
    finding: FindingCode = PNEUMONIA
    input: Input = Input()
    threshold: Fraction = 0.5
    temperature: Annotated[float, Field(gt=0)] | None = None
    abstention: Abstention | None = None
    lungs: LungNetwork | None = None
    metrics: dict[str, dict[str, Any]] = {}
    data: tuple[TrainingData, ...] = ()
    licence: str = ""
    intended_use: str = ""

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        if len({*self.classes, UNDETERMINED}) < 3:
            raise ValueError(f"classes: two different names, neither of them {UNDETERMINED}")
        return self

    @property
    def calibration(self) -> str:
        """The calibration of the probability, in words."""
        return "none" if self.temperature is None else f"temperature {self.temperature:g}"

    @property
    def limits(self) -> str:
        """The limits of abstention, in words."""
        limits = self.abstention
        return "none" if limits is None else f"distance {limits.distance:g}, outlier {limits.outlier:g}"

    def identity(self, threshold: float, engine: str, site: FittedSite | None = None) -> ModelIdentity:
        """Return the identity of an answer by these weights, this threshold, this engine and this site."""
        negative, positive = self.classes
        return ModelIdentity(
            name=self.name,
            version=self.version,
            weights_sha256=self.weights.sha256,
            threshold=threshold,
            calibration=self.calibration,
            negative=negative,
            positive=positive,
            finding=Finding(**self.finding.model_dump()),
            abstention=self.limits,
            engine=engine,
            lungs=self.lungs.identity if self.lungs else None,
            site=site,
        )

    def probability(self, log_odds: float) -> float:
        """Return the calibrated probability of the finding, 0–1, for the network's log-odds."""
        return 1 / (1 + math.exp(-max(-700.0, log_odds / (self.temperature or 1.0))))

    def log_odds(self, probability: float) -> float:
        """Return the network's log-odds of a calibrated probability, 0–1: the inverse of `probability`."""
        inside = min(max(probability, 1e-12), 1 - 1e-12)
        return math.log(inside / (1 - inside)) * (self.temperature or 1.0)


def read_card(path: Path) -> ModelCard:
    """Read a model card.

    Raises
    ------
    ConfigurationError
        The file is missing, is not YAML or is not a valid card; all problems in one line.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and "figures" in content:
            raise ConfigurationError(
                f"{path} is the card of a lung network, which gives no answers: name the card of a classifier"
            )
        return ModelCard.model_validate(content)
    except FileNotFoundError:
        raise ConfigurationError(f"there is no model card at {path}: {TO_NAME}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"model card {path} cannot be read: {reason}") from error
    except ValidationError as error:
        raise ConfigurationError(f"model card {path}: {Wording(ModelCard).in_one_line(error)}") from error


def write_card(card: ModelCard, path: Path) -> None:
    """Write `card` as YAML; `read_card` reads it back unchanged."""
    text = yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, encoding="utf-8")
