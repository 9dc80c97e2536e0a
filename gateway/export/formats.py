"""The formats of an export: how a network is written, and how it is run again to be compared.

A network is written with its metadata: name and version of the card, SHA-256 of the weights.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.errors import ConfigurationError
from gateway.model.engines import Floats
from gateway.model.weights import State
from gateway.remote.contract import IMAGE, LUNGS, Network

Metadata = Mapping[str, str]
Run = Callable[[Floats], dict[str, Floats]]

OPSET = 18
_INSTALL = "run pip install 'cxr-gateway[local,export]'"


class Format(NamedTuple):
    """A format: the files' first name, Triton's name of the backend, and how it is written and run.

    `write` gets a network, its weights, its metadata and the file; `run` opens the file.
    """

    file: str
    backend: Mapping[str, str]
    write: Callable[[Network, State, Metadata, Path], None]
    run: Callable[[Network, Path], Run]
    output: Callable[[int, str], str]


def _plain(_: int, name: str) -> str:
    return name


def _numbered(number: int, name: str) -> str:
    """Return an output's name for Triton's TorchScript backend, which knows outputs by their number."""
    return f"{name}__{number}"


def _module(network: Network, state: State) -> Any:
    from gateway.export.networks import Classifier, Lungs

    return (Lungs if LUNGS in network.outputs else Classifier)(state).eval()


def _example(network: Network) -> Any:
    import torch

    return torch.zeros(2, *network.image)


# --- ONNX


def write_onnx(network: Network, state: State, metadata: Metadata, file: Path) -> None:
    """Write a network by torch.onnx; the number of images is free."""
    try:
        import onnx
        import onnxscript  # noqa: F401 - torch.onnx needs it
        import torch
    except ImportError as error:
        raise ConfigurationError(f"--format onnx: {error}; {_INSTALL}") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about its own versions
        program = torch.onnx.export(
            _module(network, state),
            (_example(network),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[IMAGE],
            output_names=list(network.outputs),
            dynamic_shapes=({0: torch.export.Dim("images", min=1, max=4096)},),
            verbose=False,
        )
    if program is None:
        raise ConfigurationError("--format onnx: torch.onnx wrote nothing")
    model = program.model_proto
    onnx.helper.set_model_props(model, dict(metadata))
    file.write_bytes(model.SerializeToString())


def run_onnx(network: Network, file: Path) -> Run:
    """Open an ONNX file by onnxruntime, on the processor."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigurationError(f"--format onnx: {error}; {_INSTALL}") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    names = list(network.outputs)
    return lambda images: dict(zip(names, session.run(names, {IMAGE: images}), strict=True))


# --- OpenVINO


def write_openvino(network: Network, state: State, metadata: Metadata, file: Path) -> None:
    """Write the graph that OpenVINO runs on this machine, in float32."""
    try:
        import openvino as ov

        from gateway.model.lung_graph import build_lung_graph
        from gateway.model.openvino_graph import build_graph
    except ImportError as error:
        raise ConfigurationError(f"--format openvino: {error}; {_INSTALL}") from error
    graph = build_lung_graph(state) if LUNGS in network.outputs else build_graph(state)
    graph.input(0).set_names({IMAGE})
    for output, name in zip(graph.outputs, network.outputs, strict=True):
        output.set_names({name})
    for key, value in metadata.items():
        graph.set_rt_info(value, ["model_info", key])
    ov.save_model(graph, file, compress_to_fp16=False)


def run_openvino(network: Network, file: Path) -> Run:
    """Open an OpenVINO file on the processor, in float32."""
    from gateway.model.openvino_engine import core

    compiled = core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images: Floats) -> dict[str, Floats]:
        found = compiled([images])
        return {name: np.array(found[name]) for name in network.outputs}

    return run


# --- TorchScript


def write_torchscript(network: Network, state: State, metadata: Metadata, file: Path) -> None:
    """Write a network by torch.jit.trace; the metadata is its extra file `metadata.json`."""
    try:
        import torch
    except ImportError as error:
        raise ConfigurationError(f"--format torchscript: {error}; {_INSTALL}") from error
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # PyTorch calls the format old; servers load it
        traced = torch.jit.trace(_module(network, state), _example(network))  # type: ignore[no-untyped-call]
        torch.jit.save(traced, file, _extra_files={"metadata.json": json.dumps(dict(metadata))})


def run_torchscript(network: Network, file: Path) -> Run:
    """Open a TorchScript file on the processor."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.jit.load(file, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    names = list(network.outputs)

    def run(images: Floats) -> dict[str, Floats]:
        with torch.inference_mode():
            found = loaded(torch.from_numpy(images))
        outputs = found if isinstance(found, tuple) else (found,)
        return {name: each.numpy() for name, each in zip(names, outputs, strict=True)}

    return run


FORMATS = {
    "onnx": Format("model.onnx", {"platform": "onnxruntime_onnx"}, write_onnx, run_onnx, _plain),
    "openvino": Format("model.xml", {"backend": "openvino"}, write_openvino, run_openvino, _plain),
    "torchscript": Format(
        "model.pt", {"platform": "pytorch_libtorch"}, write_torchscript, run_torchscript, _numbered
    ),
}
