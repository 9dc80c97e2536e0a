"""INFER: opens a model by its card and predicts batches of images.

The worker, `gateway predict`, `gateway evaluate` and `doctor` open models here. The weights' SHA-256 is
checked against the card before use, and nothing in a weights file is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError
from gateway.model.abstention import Detector, reason_to_abstain
from gateway.model.card import CARD_NAME, ModelCard, Weights, read_card
from gateway.model.choice import AUTOMATIC, Chosen, EngineRules, Weighed, choose
from gateway.model.engines import Measured, measure
from gateway.model.weights import check_hash, check_shapes, decode_weights, read_bytes
from gateway.records import Prediction

SHIPPED = Path(__file__).parent / "weights"
STATE_DICTS = {".pth", ".pt"}  # weights saved by torch; a card is optional


class Predictor:
    """A network with its card.

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

    def __init__(self, chosen: Chosen, detector: Detector | None, card: ModelCard, threshold: float) -> None:
        self._engine, self.notice = chosen
        self._detector = detector
        self.card = card
        self.identity = card.identity(threshold, self._engine.name)

    @classmethod
    def open(
        cls, path: Path | None, rules: EngineRules = AUTOMATIC, *, threshold: float | None = None
    ) -> Self:
        """Open a model.

        Parameters
        ----------
        path
            See `read_model`; None: the shipped model.
        threshold
            Score at and above which the finding counts as present, 0–1; None: the card's.

        Raises
        ------
        ConfigurationError
            The card or the weights are missing, damaged or unsuitable, or the device is not available.
        """
        card, model = read_model(SHIPPED if path is None else path)
        chosen = choose(model, rules)
        return cls(chosen, model.detector, card, card.threshold if threshold is None else threshold)

    @property
    def on_gpu(self) -> bool:
        """True on a GPU, where large batches are faster."""
        return self._engine.on_gpu

    def predict(self, images: NDArray[np.float32]) -> list[Prediction]:
        """Return the prediction of each of n images, in order, from one forward pass.

        `images` is float32 (n, 3, 224, 224), -1 to 1, from `imaging.preprocess`.
        """
        if not len(images):
            return []
        return [self._prediction(*measured) for measured in zip(*self.measure(images), strict=True)]

    def measure(self, images: NDArray[np.float32]) -> Measured:
        """Return the measurements behind `predict`, for one image or more."""
        return measure(self._engine, self._detector, images)

    def _prediction(
        self, log_odds: np.float32, ood: NDArray[np.float32], activation: NDArray[np.float32]
    ) -> Prediction:
        distance, outlier = ood.tolist()
        reason = reason_to_abstain(float(log_odds), distance, outlier, self.card.abstention)
        if reason:
            return Prediction(None, reason, activation, self.identity)
        return Prediction(self.card.probability(float(log_odds)), None, activation, self.identity)


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
    return card, Weighed(state, detector, weights.parent, sha256)


def _locate(path: Path) -> tuple[ModelCard | None, Path]:
    """Return the model card at `path`, or None, and the path of the weights."""
    if not path.exists():
        raise ConfigurationError(f"there is no model at {path}: correct model.path")
    if path.is_dir():
        path = path / CARD_NAME
    card_path = path.with_suffix(".yaml")
    if path.suffix in STATE_DICTS and not card_path.exists():
        return None, path
    card = read_card(card_path)
    return card, card_path.parent / card.weights.file
