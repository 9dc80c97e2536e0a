"""INFER: a model opened from its card, answering batches of images."""

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
from gateway.records import Label, ModelIdentity, Prediction

SHIPPED = Path(__file__).parent / "weights"
STATE_DICTS = {".pth", ".pt"}  # saved by torch, which may come without a card


class Measured(NamedTuple):
    """What the network says of n images, before anything is concluded from it.

    Attributes
    ----------
    log_odds
        float32 (n,): of pneumonia, not calibrated.
    ood
        float32 (n, 2): distance and outlier score of `abstention.Detector`; zero where the model has none.
    activation
        float32 (n, 7, 7): class activation maps of the log-odds.
    """

    log_odds: NDArray[np.float32]
    ood: NDArray[np.float32]
    activation: NDArray[np.float32]


class Predictor:
    """A network with its card. `identity` says which model answers."""

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
        self.identity = ModelIdentity(
            name=card.name,
            version=card.version,
            weights_sha256=card.weights.sha256,
            threshold=threshold,
            calibration=card.calibration,
            abstention=card.limits,
        )

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
            A model card, a folder that holds `model.yaml`, or a torchvision `state_dict` (`.pth`) with or
            without a card of the same name beside it; None is the model that ships with the gateway.
        device
            `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.
        threads
            CPU threads of one forward pass, for the whole process; None leaves torch's choice.
        threshold
            P(pneumonia) at and above which the answer is Pneumonia, 0–1; None is the card's.

        Raises
        ------
        ConfigurationError
            The card or the weights are missing, damaged or not what they should be, or the device is.
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
        """Whether large batches pay."""
        return self._device.type == "cuda"

    def predict(self, images: NDArray[np.float32]) -> list[Prediction]:
        """Answer for each of n images, in order, from one forward pass.

        `images` has shape (n, 3, 224, 224) and is normalised as `imaging.preprocess.to_model_input` does.
        """
        if not len(images):
            return []
        return [self._answer(*of_one) for of_one in zip(*self.measure(images), strict=True)]

    @torch.inference_mode()
    def measure(self, images: NDArray[np.float32]) -> Measured:
        """Return the raw numbers behind `predict`'s answers, for at least one image."""
        batch = torch.from_numpy(images).to(self._device, memory_format=torch.channels_last)
        output = forward(self._network, batch)
        ood = torch.zeros(len(images), 2)
        if self._detector:
            ood = self._detector.score(output.description)
        log_odds = output.logits[:, 1] - output.logits[:, 0]
        return Measured(*(part.cpu().numpy() for part in (log_odds, ood, output.activation)))

    def _answer(
        self, log_odds: np.float32, ood: NDArray[np.float32], activation: NDArray[np.float32]
    ) -> Prediction:
        distance, outlier = ood.tolist()
        reason = reason_to_abstain(float(log_odds), distance, outlier, self.card.abstention)
        if reason:
            return Prediction(Label.UNDETERMINED, None, reason, activation, self.identity)
        p = self.card.probability(float(log_odds))
        label = Label.PNEUMONIA if p >= self.identity.threshold else Label.NORMAL
        return Prediction(label, p, None, activation, self.identity)


def find_device(name: str) -> torch.device:
    """Return the device called `name` (`auto`: CUDA if there is one), or raise ConfigurationError."""
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch's ways of saying that there is no such device
        reason = str(error).split("\n", 1)[0]
        raise ConfigurationError(f"device {name} is not available: {reason}") from error
    return device


def _locate(path: Path) -> tuple[ModelCard | None, Path]:
    """Return the model card at `path`, if there is one, and where its weights are."""
    if not path.exists():
        raise ConfigurationError(f"no model at {path}")
    if path.is_dir():
        path = path / CARD_NAME
    card_path = path.with_suffix(".yaml")
    if path.suffix in STATE_DICTS and not card_path.exists():
        return None, path
    card = read_card(card_path)
    return card, card_path.parent / card.weights.file
