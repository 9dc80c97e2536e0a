"""INFER: opens a model by its card and predicts batches of images.

The worker, `gateway predict`, `gateway evaluate` and `doctor` open models here. The weights' SHA-256 is
checked against the card before use, and nothing in a weights file is executed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError, Reject, Retry
from gateway.imaging.preprocess import SIDE, lay_over
from gateway.model.abstention import Detector, reason_to_abstain
from gateway.model.card import CARD_NAME, TO_NAME, LungNetwork, ModelCard, Weights, read_card
from gateway.model.choice import AUTOMATIC, Chosen, EngineRules, Weighed, choose
from gateway.model.engines import Measured
from gateway.model.lungs import Seen
from gateway.model.profile import SiteProfile, read_profile
from gateway.model.weights import (
    State,
    check_hash,
    check_lung_shapes,
    check_numbers,
    check_shapes,
    decode_weights,
    read_bytes,
)
from gateway.records import FittedSite, Lungs, Prediction, Region

SHIPPED = Path(__file__).parent / "weights"
STATE_DICTS = {".pth", ".pt"}  # weights saved by torch; a card is optional


Told = Prediction | Reject | Retry
"""Outcome of an image: its prediction, or the reason why it fails or waits."""


class Predictor:
    """A model with its card: where the model has a lung network, the classifier sees the lungs alone.

    Attributes
    ----------
    card
        The model card.
    identity
        Name, version, weights, threshold and engine, as results state them.
    notice
        Why another engine answers than the settings call for; None where it does not.
    """

    notice: str | None = None

    def __init__(
        self, chosen: Chosen, card: ModelCard, threshold: float, site: FittedSite | None = None
    ) -> None:
        self._model, self.notice = chosen
        self.card = card
        self.identity = card.identity(threshold, self._model.engine.name, site)

    @classmethod
    def open(
        cls,
        path: Path | None,
        rules: EngineRules = AUTOMATIC,
        *,
        threshold: float | None = None,
        profile: Path | None = None,
    ) -> Self:
        """Open a model.

        Parameters
        ----------
        path
            See `read_model`; None: the shipped model.
        threshold
            Score at and above which the finding counts as present, 0–1; None: the profile's, else the card's.
        profile
            See `read_profile`; None: the model stays as it was shipped.

        Raises
        ------
        ConfigurationError
            The card, the weights or the profile are missing, damaged or unsuitable, or the device is not
            available.
        """
        card, reading = _Reading.of(SHIPPED if path is None else path)
        site = None if profile is None else read_profile(profile, card)
        return cls(choose(reading, rules, site), *stated(card, site, threshold))

    @property
    def on_gpu(self) -> bool:
        """True on a GPU, where large batches are faster."""
        return self._model.engine.on_gpu

    @property
    def passes_at_once(self) -> int:
        """Batches that may be predicted at once without hindering each other."""
        return self._model.engine.passes_at_once

    @property
    def problem(self) -> str | None:
        """Why the model cannot answer now, in one line; None where it can."""
        return None

    def check(self) -> None:
        """Raise Retry where the model cannot answer now."""

    def look_after(self) -> None:
        """Renew what is known of the model's servers, where it has any; takes seconds."""

    def warm_up(self) -> None:
        """Spend the first forward pass, which is several times as slow as the others."""
        self.predict(np.zeros((1, 3, SIDE, SIDE), np.float32))

    def predict_each(self, images: NDArray[np.float32]) -> list[Told]:
        """Return what became of each of n images; see `predict`."""
        return [*self.predict(images)]

    def predict(self, images: NDArray[np.float32]) -> list[Prediction]:
        """Return the prediction of each of n images, in order, from one forward pass of each network.

        `images` is float32 (n, 3, 224, 224), -1 to 1, from `imaging.preprocess`. Regions and activation maps
        are over these images.
        """
        if not len(images):
            return []
        seen = self.look(images)
        measured = zip(*self.measure_seen(seen.images), seen.regions, strict=True)
        return [self._prediction(*each) for each in measured]

    def look(self, images: NDArray[np.float32]) -> Seen:
        """Return what the classifier sees of n images: the lungs, where the model has a lung network."""
        return self._model.look(images)

    def measure(self, images: NDArray[np.float32]) -> Measured:
        """Return the measurements behind `predict`; activation maps are over what the classifier sees."""
        return self.measure_seen(self.look(images).images)

    def measure_seen(self, seen: NDArray[np.float32]) -> Measured:
        """Return the measurements of the images of `look`, for one image or more."""
        return self._model.measure(seen)

    def _prediction(
        self,
        log_odds: np.float32,
        ood: NDArray[np.float32],
        activation: NDArray[np.float32],
        region: Region | None,
    ) -> Prediction:
        distance, outlier = ood.tolist()
        reason = reason_to_abstain(float(log_odds), distance, outlier, self.card.abstention, region)
        score = None if reason else self.card.probability(float(log_odds))
        whole = lay_over(activation, region.box) if isinstance(region, Lungs) else activation
        return Prediction(score, reason, whole, self.identity, region)


class _Reading:
    """Gives the model that was read, once; from then on it reads the same model again."""

    def __init__(self, path: Path, model: Weighed) -> None:
        self._path, self._hashes, self._at_hand = path, model.hashes, [model]

    @classmethod
    def of(cls, path: Path) -> tuple[ModelCard, Self]:
        card, model = read_model(path)
        return card, cls(path, model)

    def __call__(self) -> Weighed:
        model = self._at_hand.pop() if self._at_hand else read_model(self._path)[1]
        if model.hashes != self._hashes:
            raise ConfigurationError(
                f"the model at {self._path} was replaced while it was opened: start again"
            )
        return model


def stated(
    card: ModelCard, site: SiteProfile | None, threshold: float | None
) -> tuple[ModelCard, float, FittedSite | None]:
    """Return card, threshold and site of the answers by a card, a profile and the threshold of `open`."""
    if site is None:
        return card, card.threshold if threshold is None else threshold, None
    fitted = site.fitted(card)
    if threshold is None:
        return fitted, fitted.threshold, site.identity
    return fitted, threshold, replace(site.identity, thresholds=())


def read_model(path: Path) -> tuple[ModelCard, Weighed]:
    """Read card and weights.

    Parameters
    ----------
    path
        A model card, a folder with `model.yaml`, or a torchvision `state_dict` (`.pth`), whose card of the
        same name is optional.

    Raises
    ------
    ConfigurationError
        The card or the weights are missing, damaged or unsuitable.
    """
    card, weights = _locate(path)
    content, sha256 = read_bytes(weights)
    if card is None:
        file = Weights(file=weights.name, sha256=sha256)
        card = ModelCard(name=weights.stem, version=sha256[:12], weights=file)
    check_hash(weights, sha256, card.weights.sha256)
    state = decode_weights(weights, content)
    detector = Detector.in_weights(state, weights)
    check_shapes(state, weights)
    check_numbers(state, weights)
    lungs = _lung_state(card.lungs, weights.parent) if card.lungs else None
    return card, Weighed(state, detector, weights.parent, sha256, card.lungs, lungs)


def _lung_state(lungs: LungNetwork, folder: Path) -> State:
    path = folder / lungs.file
    content, sha256 = read_bytes(path)
    check_hash(path, sha256, lungs.sha256)
    state = decode_weights(path, content)
    check_lung_shapes(state, path)
    check_numbers(state, path)
    return state


def card_at(path: Path | None) -> ModelCard | None:
    """Return the model card at a path as for `read_model`, None where it has none; None: the shipped model's.

    Raises
    ------
    ConfigurationError
        There is no model, or its card is not valid.
    """
    return _locate(SHIPPED if path is None else path)[0]


def _locate(path: Path) -> tuple[ModelCard | None, Path]:
    """Return the model card at `path`, or None, and the path of the weights."""
    if not path.exists():
        raise ConfigurationError(f"there is no model at {path}: {TO_NAME}")
    if path.is_dir():
        path = path / CARD_NAME
    if path.suffix not in {".yaml", ".safetensors", *STATE_DICTS}:
        raise ConfigurationError(f"{path} is no model: {TO_NAME}")
    card_path = path.with_suffix(".yaml")
    if path.suffix in STATE_DICTS and not card_path.exists():
        return None, path
    card = read_card(card_path)
    return card, card_path.parent / card.weights.file
