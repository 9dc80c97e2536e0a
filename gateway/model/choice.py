"""Chooses the engine of a model: OpenVINO on processors, PyTorch on GPUs. `predictor` calls it.

OpenVINO answers only after it has computed the reference answers. Where its bfloat16 fails that proof, its
float32 takes the place; where this fails too, PyTorch does. The notice says why.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from gateway.errors import ConfigurationError
from gateway.model.abstention import Detector
from gateway.model.card import LungNetwork
from gateway.model.engines import NetworkEngine, Precision
from gateway.model.opened_model import OpenedModel
from gateway.model.profile import SiteProfile
from gateway.model.reference import Reference, Unproven, prove, read_reference
from gateway.model.weights import State

if TYPE_CHECKING:
    from gateway.model.openvino_engine import OpenVinoEngine
    from gateway.model.torch_engine import TorchEngine

_INSTALL = "run pip install 'cxr-gateway[local]', or state model.kind: remote"
GPU_DRIVER = "libcuda.so.1"  # without it PyTorch need not be asked for a GPU


@dataclass(frozen=True, slots=True)
class EngineRules:
    """The settings that choose an engine.

    Attributes
    ----------
    engine
        `auto`: PyTorch on a GPU, OpenVINO elsewhere; or one of the two.
    precision
        Of OpenVINO; see `OpenVinoEngine`.
    device
        `auto` (CUDA where available), `cpu`, `cuda` or `cuda:N`.
    threads
        Processor threads; None: one for each core.
    passes_at_once
        Forward passes that OpenVINO runs at once, each by its share of the threads: more images in a second,
        each of them later.
    """

    engine: Literal["auto", "torch", "openvino"] = "auto"
    precision: Precision = "auto"
    device: str = "auto"
    threads: int | None = None
    passes_at_once: int = 1


AUTOMATIC = EngineRules()


class Weighed(NamedTuple):
    """A model that is read and not yet opened: its weights, and the folder of its reference answers.

    `lungs` and `lung_state` are of its lung network; None of a model without one.
    """

    state: State
    detector: Detector | None
    folder: Path
    sha256: str
    lungs: LungNetwork | None = None
    lung_state: State | None = None

    @property
    def hashes(self) -> tuple[str, ...]:
        """SHA-256 of the weights of each network."""
        return (self.sha256, self.lungs.sha256) if self.lungs else (self.sha256,)

    def opened(self, engine: NetworkEngine) -> OpenedModel:
        """Return the model with its engine."""
        return OpenedModel(engine, self.detector, self.lungs)


Read = Callable[[], Weighed]


class Chosen(NamedTuple):
    """The model that answers; `notice`: why it is not the first choice, None where it is."""

    model: OpenedModel
    notice: str | None


def choose(read: Read, rules: EngineRules, profile: SiteProfile | None = None) -> Chosen:
    """Open the engine that the rules and this machine call for.

    With a site profile OpenVINO is proven twice: without the profile by the model's reference answers, and
    with the profile by those that PyTorch gave when the profile was made.

    `read` gives the model each time that it is asked. OpenVINO is proven when its weights are forgotten: the
    process needs the most memory then.

    Raises
    ------
    ConfigurationError
        The device is not available, or the processor does not compute in the precision asked for.
    """
    if rules.engine == "torch" or (rules.engine == "auto" and _on_gpu(rules.device)):
        return Chosen(_by_torch(read, rules, profile), None)
    try:
        return _by_openvino(read, rules, profile)
    except (ImportError, OSError, RuntimeError, Unproven) as error:
        notice = f"PyTorch answers in the place of OpenVINO: {_first_line(error)}"
    return Chosen(_by_torch(read, rules, profile), notice)


def _by_torch(read: Read, rules: EngineRules, profile: SiteProfile | None) -> OpenedModel:
    fitted = _fitted(read(), profile)
    return fitted.opened(open_torch(fitted, rules))


def _by_openvino(read: Read, rules: EngineRules, profile: SiteProfile | None) -> Chosen:
    """Open and prove OpenVINO; float32 takes the place of a bfloat16 that nobody asked for by name."""
    try:
        return Chosen(_proven(read, rules, profile), None)
    except Unproven as error:
        from gateway.model.openvino_engine import computes_bfloat16

        if rules.precision != "auto" or not computes_bfloat16():
            raise
        notice = f"OpenVINO answers in float32 in the place of bfloat16: {_first_line(error)}"
    return Chosen(_proven(read, replace(rules, precision="float32"), profile), notice)


def _proven(read: Read, rules: EngineRules, profile: SiteProfile | None) -> OpenedModel:
    opened, expected = _opened(read(), rules)
    prove(opened, expected)
    if profile is not None:
        opened, _ = _opened(_fitted(read(), profile), rules)
        prove(opened, Reference(profile.reference, lungs=None))
    return opened


def _opened(model: Weighed, rules: EngineRules) -> tuple[OpenedModel, Reference]:
    expected = read_reference(model.folder, model.hashes)
    return model.opened(open_openvino(model, rules)), expected


def _fitted(model: Weighed, profile: SiteProfile | None) -> Weighed:
    return model if profile is None else model._replace(state=profile.fit(model.state))


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


def open_openvino(model: Weighed, rules: EngineRules) -> OpenVinoEngine:
    """Open the model by OpenVINO; its import or its start may fail in many ways."""
    from gateway.model.openvino_engine import OpenVinoEngine

    threads = rules.threads or len(os.sched_getaffinity(0))
    return OpenVinoEngine(
        model.state, rules.precision, threads, model.lung_state, passes_at_once=rules.passes_at_once
    )


def open_torch(model: Weighed, rules: EngineRules) -> TorchEngine:
    """Open the model by PyTorch on the device of the rules."""
    try:
        from gateway.model.torch_engine import TorchEngine, find_device
    except ImportError as error:
        raise ConfigurationError(f"model: {error}; {_INSTALL}") from error
    return TorchEngine(model.state, find_device(rules.device), rules.threads, model.lung_state)


def _on_gpu(device: str) -> bool:
    if device != "auto":
        return device != "cpu"
    try:
        ctypes.CDLL(GPU_DRIVER)
        from gateway.model.torch_engine import find_device
    except (OSError, ImportError):
        return False
    return find_device("auto").type == "cuda"
