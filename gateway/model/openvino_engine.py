"""A model by OpenVINO on processors, in float32, or bfloat16 where the processor computes in it.

`choice` imports it when OpenVINO is to answer; nothing here loads PyTorch.
"""

from __future__ import annotations

from functools import cache
from queue import SimpleQueue

import numpy as np
import openvino as ov

from gateway.errors import ConfigurationError
from gateway.model.engines import Floats, Precision, RawOutput, log_odds_of
from gateway.model.lung_graph import build_lung_graph
from gateway.model.openvino_graph import build_graph
from gateway.model.weights import State

TOLERANCES = {"float32": 0.001, "bfloat16": 0.05}
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoEngine:
    """A model on the processor; see `NetworkEngine`.

    Parameters
    ----------
    state
        Weights of the classifier, checked by `check_shapes`.
    precision
        Of the classifier's convolutions; `auto`: bfloat16 where the processor computes in it, else float32.
    threads
        Threads of all passes together.
    lungs
        Weights of the lung network, checked by `check_lung_shapes`; None of a model without one.
    passes_at_once
        Most passes that run at once; they share the threads.

    Raises
    ------
    ConfigurationError
        The processor does not compute in the precision asked for.
    """

    on_gpu = False

    def __init__(
        self,
        state: State,
        precision: Precision,
        threads: int,
        lungs: State | None = None,
        *,
        passes_at_once: int = 1,
    ) -> None:
        able = computes_bfloat16()
        if precision == "bfloat16" and not able:
            raise ConfigurationError(
                "model.precision: this processor does not compute in bfloat16; write auto or float32"
            )
        used = "bfloat16" if able and precision != "float32" else "float32"
        self.passes_at_once = min(passes_at_once, threads)
        self._classifier = _Compiled(build_graph(state), used, threads, self.passes_at_once)
        self._lungs = lungs and _Compiled(build_lung_graph(lungs), "float32", threads, self.passes_at_once)
        self._biases = state["fc.bias"].astype(np.float32)
        self.name = f"OpenVINO {used}"
        self.tolerance = TOLERANCES[used]

    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images; see `NetworkEngine`."""
        activation, description = self._classifier.run(images)
        return RawOutput(log_odds_of(activation, self._biases), activation, description)

    def mark_lungs(self, images: Floats) -> Floats:
        """Return the probability of lung; see `NetworkEngine`."""
        if not self._lungs:
            raise ValueError("the model has no lung network")
        (probabilities,) = self._lungs.run(images)
        return probabilities


class _Compiled:
    """A compiled graph; threads beyond those whose passes run at once wait for their turn."""

    def __init__(self, graph: ov.Model, precision: str, threads: int, passes: int) -> None:
        rules = {
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": passes,
            "ENABLE_CPU_PINNING": False,  # else the threads of all workers share the same cores
        }
        self._compiled = core().compile_model(graph, "CPU", rules)
        self._requests: SimpleQueue[ov.InferRequest] = SimpleQueue()
        for _ in range(passes):
            self._requests.put(self._compiled.create_infer_request())

    def run(self, images: Floats) -> list[Floats]:
        """Return the outputs in their order."""
        request = self._requests.get()
        try:
            return list(request.infer([images], share_inputs=True).values())
        finally:
            self._requests.put(request)


@cache
def core() -> ov.Core:
    """Return the one `Core` of this process.

    OpenVINO's plugin gives the thread that loads it a stack for signals and frees it when it is unloaded:
    the next SIGTERM would end the process by a fault of memory. A `Core` keeps its plugin loaded.
    """
    return ov.Core()


def computes_bfloat16() -> bool:
    """Tell whether the processor has instructions for bfloat16 that OpenVINO uses."""
    return "BF16" in core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
