"""The network by OpenVINO on processors, in float32, or bfloat16 where the processor computes in it.

`choice` imports it when OpenVINO is to answer; nothing here loads PyTorch.
"""

from __future__ import annotations

from queue import SimpleQueue

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from gateway.errors import ConfigurationError
from gateway.model.engines import Precision, RawOutput
from gateway.model.openvino_graph import build_graph, log_odds_of
from gateway.model.weights import State

TOLERANCES = {"float32": 0.001, "bfloat16": 0.05}
_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenVinoEngine:
    """A network on the processor; see `NetworkEngine`.

    Parameters
    ----------
    state
        Weights of the network, checked by `check_shapes`.
    precision
        Of the convolutions; `auto`: bfloat16 where the processor computes in it, else float32.
    threads
        Threads of one forward pass.

    Raises
    ------
    ConfigurationError
        The processor does not compute in the precision asked for.
    """

    on_gpu = False

    def __init__(self, state: State, precision: Precision, threads: int) -> None:
        able = computes_bfloat16()
        if precision == "bfloat16" and not able:
            raise ConfigurationError(
                "model.precision: this processor does not compute in bfloat16; write auto or float32"
            )
        used = "bfloat16" if able and precision != "float32" else "float32"
        rules = {
            "INFERENCE_PRECISION_HINT": _HINTS[used],
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,  # else the threads of all workers share the same cores
        }
        self._compiled = ov.Core().compile_model(build_graph(state), "CPU", rules)
        self._requests: SimpleQueue[ov.InferRequest] = SimpleQueue()
        self._requests.put(self._compiled.create_infer_request())
        self._bias = {"fc.bias": state["fc.bias"]}
        self.name = f"OpenVINO {used}"
        self.tolerance = TOLERANCES[used]

    def run(self, images: NDArray[np.float32]) -> RawOutput:
        """Return the output for n images; see `NetworkEngine`."""
        request = self._requests.get()
        try:
            activation, description = request.infer([images], share_inputs=True).values()
        finally:
            self._requests.put(request)
        return RawOutput(log_odds_of(activation, self._bias), activation, description)


def computes_bfloat16() -> bool:
    """Tell whether the processor has instructions for bfloat16 that OpenVINO uses."""
    return "BF16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
