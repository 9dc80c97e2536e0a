"""A model by PyTorch: on GPUs, and on processors where OpenVINO does not answer.

`choice` imports it when PyTorch is to answer; a worker whose engine is OpenVINO never loads PyTorch.
"""

from __future__ import annotations

import torch
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model.engines import Floats, RawOutput
from gateway.model.lung_network import LungNetwork
from gateway.model.network import build_network, fold_batch_norm, forward, load_into
from gateway.model.weights import State


class TorchEngine:
    """A model in float32; see `NetworkEngine`.

    Parameters
    ----------
    state
        Weights of the classifier, checked by `check_shapes`.
    threads
        Processor threads of one forward pass, for the whole process; None: PyTorch's default.
    lungs
        Weights of the lung network, checked by `check_lung_shapes`; None of a model without one.
    """

    tolerance = 0.001
    passes_at_once = 1

    def __init__(
        self, state: State, device: torch.device, threads: int | None, lungs: State | None = None
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = False  # TF32 keeps 10 of the 23 bits that float32 has
        network = build_network()
        load_into(network, state)
        self._network = fold_batch_norm(network).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._lungs = None if lungs is None else _lung_network(lungs).to(device)
        self._device = device
        self.on_gpu = device.type == "cuda"
        self.name = "PyTorch float32 on CUDA" if self.on_gpu else "PyTorch float32"

    @torch.inference_mode()
    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images; see `NetworkEngine`."""
        batch = torch.from_numpy(images).to(self._device, memory_format=torch.channels_last)
        logits, activation, description = forward(self._network, batch)
        log_odds = logits[:, 1] - logits[:, 0]
        return RawOutput(*(part.cpu().numpy() for part in (log_odds, activation, description)))

    @torch.inference_mode()
    def mark_lungs(self, images: Floats) -> Floats:
        """Return the probability of lung; see `NetworkEngine`."""
        if self._lungs is None:
            raise ValueError("the model has no lung network")
        probabilities: torch.Tensor = self._lungs(torch.from_numpy(images).to(self._device)).sigmoid()
        return probabilities[:, 0].cpu().numpy()


def _lung_network(state: State) -> nn.Module:
    network = LungNetwork()
    load_into(network, state)
    return network.eval()


def find_device(name: str) -> torch.device:
    """Return the device `name` (`auto`: CUDA where available), or raise ConfigurationError."""
    try:
        device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either for a missing device
        reason = str(error).split("\n", 1)[0]
        raise ConfigurationError(f"device {name} is not available: {reason}") from error
    return device
