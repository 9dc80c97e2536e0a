"""The model card: what a set of weights is, how it is to be used and how well it did."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from gateway.errors import ConfigurationError

CARD_NAME = "model.yaml"

Fraction = Annotated[float, Field(ge=0, le=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Weights(_Frozen):
    """The weights file, beside the card, and its hexadecimal SHA-256."""

    file: str
    sha256: Sha256


class Input(_Frozen):
    """What the network is fed: `size` pixels square, grey repeated to three channels, (x - mean) / std."""

    size: Annotated[int, Field(ge=224, le=224)] = 224
    mean: Annotated[float, Field(ge=0.5, le=0.5)] = 0.5
    std: Annotated[float, Field(ge=0.5, le=0.5)] = 0.5


class Abstention(_Frozen):
    """Limits of the two out-of-distribution scores; at or above either the model gives no answer."""

    distance: float
    outlier: Annotated[float, Field(validation_alias=AliasChoices("outlier", "junk"))]


class TrainingData(_Frozen):
    """One data set behind the weights, with its licence and what to cite."""

    name: str
    images: str
    licence: str
    citation: str


class ModelCard(_Frozen):
    """What stands in `model.yaml`.

    Attributes
    ----------
    threshold
        P(pneumonia) at and above which the answer is Pneumonia, 0–1.
    temperature
        The log-odds are divided by it before they become a probability; null: they are used as they are.
    abstention
        Limits for images that are no frontal chest radiograph; null: the model always answers.
    metrics
        Figures by data set, as `gateway evaluate` measured them.
    """

    name: str
    version: str
    architecture: Literal["resnet50"] = "resnet50"
    weights: Weights
    classes: tuple[Literal["Normal"], Literal["Pneumonia"]] = ("Normal", "Pneumonia")
    input: Input = Input()
    threshold: Fraction = 0.5
    temperature: Annotated[float, Field(gt=0)] | None = None
    abstention: Abstention | None = None
    metrics: dict[str, dict[str, Any]] = {}
    data: tuple[TrainingData, ...] = ()
    licence: str = ""
    intended_use: str = ""

    @property
    def calibration(self) -> str:
        """How log-odds become a probability, in words."""
        return "none" if self.temperature is None else f"temperature {self.temperature:g}"

    @property
    def limits(self) -> str:
        """Beyond which scores no answer is given, in words."""
        limits = self.abstention
        return "none" if limits is None else f"distance {limits.distance:g}, outlier {limits.outlier:g}"

    def probability(self, log_odds: float) -> float:
        """Return the calibrated P(pneumonia), 0–1, of the network's log-odds."""
        return 1 / (1 + math.exp(-max(-700.0, log_odds / (self.temperature or 1.0))))


def read_card(path: Path) -> ModelCard:
    """Read a model card.

    Raises
    ------
    ConfigurationError
        The file is missing, is not YAML or does not describe a model; all problems in one line.
    """
    try:
        return ModelCard.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ConfigurationError(f"no model card at {path}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"model card {path} cannot be read: {reason}") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'card'}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"model card {path}: {problems}") from error


def write_card(card: ModelCard, path: Path) -> None:
    """Write `card` as YAML that `read_card` reads back unchanged."""
    text = yaml.safe_dump(card.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)
    path.write_text(text, encoding="utf-8")
