"""A model by PyTorch: on GPUs, and on processors where OpenVINO does not answer.

`choice` imports it when PyTorch is to answer; a worker whose engine is OpenVINO never loads PyTorch.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model.cuda_graphs import Compute, RecordedPasses
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

    def __init__(
        self, state: State, device: torch.device, threads: int | None, lungs: State | None = None
    ) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        torch.backends.cudnn.allow_tf32 = False  # TF32 keeps 10 of the 23 bits that float32 has
        network = build_network()
        load_into(network, state)
        folded = fold_batch_norm(network).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.on_gpu = device.type == "cuda"
        self.name = "PyTorch float32 on CUDA" if self.on_gpu else "PyTorch float32"
        passes = partial(RecordedPasses, device=device) if self.on_gpu else Passes
        self._classifier = passes(partial(_classify, folded), layout=torch.channels_last)
        self._lungs = lungs and passes(
            partial(_mark_lungs, _lung_network(lungs).to(device)), layout=torch.contiguous_format
        )

    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images; see `NetworkEngine`."""
        return RawOutput(*self._classifier.run(images))

    def mark_lungs(self, images: Floats) -> Floats:
        """Return the probability of lung; see `NetworkEngine`."""
        if not self._lungs:
            raise ValueError("the model has no lung network")
        (probabilities,) = self._lungs.run(images)
        return probabilities


def _classify(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    logits, activation, description = forward(network, images)
    return logits[:, 1] - logits[:, 0], activation, description


def _mark_lungs(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (network(images).sigmoid()[:, 0],)


class Passes:
    """The passes of one network on processors."""

    def __init__(self, compute: Compute, layout: torch.memory_format) -> None:
        self._compute = compute
        self._layout = layout

    @torch.inference_mode()
    def run(self, images: Floats) -> list[Floats]:
        """Return the outputs for n images, float32 (n, channels, rows, columns), in their order."""
        batch = torch.from_numpy(images).contiguous(memory_format=self._layout)
        return [output.numpy() for output in self._compute(batch)]


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
