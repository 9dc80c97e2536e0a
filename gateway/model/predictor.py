"""INFER: opens a model by its card and predicts batches of images.

The worker, `gateway predict`, `gateway evaluate` and `doctor` open models here. The weights' SHA-256 is
checked against the card before use, and nothing in a weights file is executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model.abstention import Detector, reason_to_abstain
from gateway.model.card import CARD_NAME, ModelCard, Weights, read_card
from gateway.model.network import fold_batch_norm, forward
from gateway.model.weights import check_hash, decode_weights, network_with, read_bytes
from gateway.records import Prediction

SHIPPED = Path(__file__).parent / "weights"
STATE_DICTS = {".pth", ".pt"}  # weights saved by torch; a card is optional


class Measured(NamedTuple):
    """Measurements of n images, before calibration, threshold and abstention.

    Attributes
    ----------
    log_odds
        float32 (n,): log-odds of the finding, not calibrated.
    ood
        float32 (n, 2): out-of-distribution scores, distance and outlier; zeros without a detector.
    activation
        float32 (n, 7, 7): class activation maps of the log-odds.
    """

    log_odds: NDArray[np.float32]
    ood: NDArray[np.float32]
    activation: NDArray[np.float32]


class Predictor:
    """A network with its card.

    Attributes
    ----------
    card
        The model card.
    identity
        Name, version, weights and threshold, as results state them.
    """

    def __init__(
        self,
        network: nn.Module,
        detector: Detector | None,
        card: ModelCard,
        device: torch.device,
        threshold: float,
    ) -> None:
        self._network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._detector = Detector(*(part.to(device) for part in detector)) if detector else None
        self._device = device
        self.card = card
        self.identity = card.identity(threshold)

    @classmethod
    def open(
        cls,
        path: Path | None,
        *,
        device: str = "auto",
        threads: int | None = None,
        threshold: float | None = None,
    ) -> Self:
        """Open a model.

        Parameters
        ----------
        path
            A model card, a folder with `model.yaml`, or a torchvision `state_dict` (`.pth`), whose card of
            the same name is optional; None: the shipped model.
        device
            `auto` (CUDA where available), `cpu`, `cuda` or `cuda:N`.
        threads
            CPU threads of one forward pass, for the whole process; None: torch's default.
        threshold
            Score at and above which the finding counts as present, 0–1; None: the card's.

        Raises
        ------
        ConfigurationError
            The card or the weights are missing, damaged or unsuitable, or the device is not available.
        """
        place = find_device(device)
        if threads is not None:
            torch.set_num_threads(threads)
        card, weights = _locate(SHIPPED if path is None else path)
        content, sha256 = read_bytes(weights)
        if card is None:
            file = Weights(file=weights.name, sha256=sha256)
            card = ModelCard(name=weights.stem, version=sha256[:12], weights=file)
        check_hash(weights, sha256, card.weights.sha256)
        state = decode_weights(weights, content)
        detector = Detector.in_weights(state, weights)
        network = fold_batch_norm(network_with(state, weights))
        return cls(network, detector, card, place, card.threshold if threshold is None else threshold)

    @property
    def on_gpu(self) -> bool:
        """Whether the model runs on a GPU, where large batches are faster."""
        return self._device.type == "cuda"

    def predict(self, images: NDArray[np.float32]) -> list[Prediction]:
        """Return the prediction of each of n images, in order, from one forward pass.

        `images` is float32 (n, 3, 224, 224), -1 to 1, from `imaging.preprocess`.
        """
        if not len(images):
            return []
        return [self._prediction(*measured) for measured in zip(*self.measure(images), strict=True)]

    @torch.inference_mode()
    def measure(self, images: NDArray[np.float32]) -> Measured:
        """Return the measurements behind `predict`, for one image or more."""
        batch = torch.from_numpy(images).to(self._device, memory_format=torch.channels_last)
        output = forward(self._network, batch)
        ood = torch.zeros(len(images), 2)
        if self._detector:
            ood = self._detector.score(output.description)
        log_odds = output.logits[:, 1] - output.logits[:, 0]
        return Measured(*(part.cpu().numpy() for part in (log_odds, ood, output.activation)))

    def _prediction(
        self, log_odds: np.float32, ood: NDArray[np.float32], activation: NDArray[np.float32]
    ) -> Prediction:
        distance, outlier = ood.tolist()
        reason = reason_to_abstain(float(log_odds), distance, outlier, self.card.abstention)
        if reason:
            return Prediction(None, reason, activation, self.identity)
        return Prediction(self.card.probability(float(log_odds)), None, activation, self.identity)


def find_device(name: str) -> torch.device:
    """Return the device `name` (`auto`: CUDA where available), or raise ConfigurationError."""
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a missing device
        reason = str(error).split("\n", 1)[0]
        raise ConfigurationError(f"device {name} is not available: {reason}") from error
    return device


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
