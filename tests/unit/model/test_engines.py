"""OpenVINO computes what PyTorch computes, and answers only after it has shown it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model import openvino_engine
from gateway.model.choice import EngineRules
from gateway.model.comparison import compare_engines, make_reference
from gateway.model.engines import RawOutput
from gateway.model.openvino_engine import OpenVinoEngine
from gateway.model.openvino_graph import build_graph
from gateway.model.predictor import SHIPPED, Predictor, read_model
from gateway.model.reference import REFERENCE_NAME, read_reference, reference_images
from gateway.model.resnet50 import shapes
from gateway.model.torch_engine import TorchEngine
from gateway.model.weights import State

PYTORCH = "PyTorch float32"
FLOAT32 = EngineRules("openvino", "float32")


@pytest.fixture
def state(network: nn.Module) -> State:
    return {
        name: tensor.numpy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder with the shipped model, whose reference answers a test may change."""
    for path in SHIPPED.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / REFERENCE_NAME).unlink()
    shutil.copyfile(SHIPPED / REFERENCE_NAME, tmp_path / REFERENCE_NAME)
    return tmp_path


def engine_and_notice(path: Path | None) -> tuple[str, str]:
    predictor = Predictor.open(path, FLOAT32)
    return predictor.identity.engine, predictor.notice or ""


def test_the_shapes_are_torchvisions(state: State) -> None:
    assert list(shapes().items()) == [(name, array.shape) for name, array in state.items()]


def test_openvino_computes_what_pytorch_computes(state: State, images: np.ndarray) -> None:
    expected = TorchEngine(state, torch.device("cpu"), 1).run(images)
    computed = OpenVinoEngine(state, "float32", 1).run(images)
    for name in RawOutput._fields:
        ours, theirs = getattr(computed, name), getattr(expected, name)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("passes_at_once", [1, 2])
def test_threads_share_an_engine(state: State, images: np.ndarray, passes_at_once: int) -> None:
    engine = OpenVinoEngine(state, "float32", 2, passes_at_once=passes_at_once)
    assert engine.passes_at_once == passes_at_once
    alone = [engine.run(images[[i]]).log_odds[0] for i in range(3)]
    order = [0, 1, 2] * 4
    with ThreadPoolExecutor(3) as callers:
        together = list(callers.map(lambda i: engine.run(images[[i]]).log_odds[0], order))
    assert together == [alone[i] for i in order]


def test_openvino_answers_with_the_shipped_model_and_no_pytorch() -> None:
    code = (
        "import sys\n"
        "from gateway.model.predictor import Predictor\n"
        "from gateway.model.choice import EngineRules\n"
        "predictor = Predictor.open(None, EngineRules('openvino'))\n"
        "print(predictor.identity.engine, predictor.notice, 'torch' in sys.modules)\n"
        "print([name for name in sys.modules if 'telemetry' in name and 'openvino' in name])\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    engine, telemetry = done.stdout.splitlines()
    assert engine.startswith("OpenVINO ")
    assert engine.endswith(" None False")
    assert telemetry == "[]"


def test_a_signal_is_heard_after_an_engine_was_closed() -> None:
    """OpenVINO's plugin, once it is unloaded, leaves its thread with a stack for signals that is gone."""
    program = """
import gc, os, signal
from gateway.model.predictor import Predictor

signal.signal(signal.SIGTERM, lambda *_: print("heard"))
print(Predictor.open(None).identity.engine)
gc.collect()
os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.returncode
    assert done.stdout.splitlines()[-1] == "heard"
    assert done.stdout.startswith("OpenVINO")


def test_an_engine_that_computes_something_else_does_not_answer(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(state: State) -> Any:
        return build_graph(state | {"layer4.2.bn3.bias": state["layer4.2.bn3.bias"] + np.float16(0.05)})

    monkeypatch.setattr(openvino_engine, "build_graph", broken)
    engine, notice = engine_and_notice(model)
    assert engine == PYTORCH
    assert "in the place of OpenVINO: it differs from the reference answers (log-odds " in notice
    compared = {each.engine: each.same for each in compare_engines(model)}
    assert compared[PYTORCH]
    assert not compared["OpenVINO float32"]


def test_float32_takes_the_place_of_a_bfloat16_that_is_too_rough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "computes_bfloat16", lambda: True)
    monkeypatch.setitem(openvino_engine._HINTS, "bfloat16", "f32")  # the processor of the test may lack it
    monkeypatch.setitem(openvino_engine.TOLERANCES, "bfloat16", 0.0)
    predictor = Predictor.open(None, EngineRules("openvino", "auto"))
    assert predictor.identity.engine == "OpenVINO float32"
    assert "float32 in the place of bfloat16: it differs from the reference" in (predictor.notice or "")


def test_an_engine_whose_output_is_no_number_does_not_answer(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: OpenVinoEngine, images: np.ndarray) -> RawOutput:
        nothing = np.full((len(images), 7, 7), np.nan, np.float32)
        return RawOutput(nothing[:, 0, 0], nothing, np.zeros((len(images), 21504), np.float32))

    monkeypatch.setattr(OpenVinoEngine, "run", broken)
    assert engine_and_notice(model)[0] == PYTORCH


def test_an_engine_that_does_not_start_does_not_answer(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: State) -> Any:
        raise RuntimeError("no such instruction\nand many lines")

    monkeypatch.setattr(openvino_engine, "build_graph", fails)
    told = "PyTorch answers in the place of OpenVINO: no such instruction"
    assert engine_and_notice(model) == (PYTORCH, told)


def test_a_reference_that_proves_nothing_is_told(model: Path) -> None:
    content = json.loads((model / REFERENCE_NAME).read_text())
    reference = model / REFERENCE_NAME
    reference.write_text(json.dumps(content | {"log_odds": [0.0, 0.0, 0.0, 0.0]}))
    assert "it differs" in engine_and_notice(model)[1]
    reference.write_text(json.dumps(content | {"weights_sha256": "0" * 64}))
    assert "holds answers of other weights: run gateway model reference" in engine_and_notice(model)[1]
    reference.write_text("[")
    assert "cannot be read" in engine_and_notice(model)[1]
    reference.unlink()
    engine, notice = engine_and_notice(model)
    assert engine == PYTORCH
    assert "the model has no reference answers: run gateway model reference" in notice


def test_a_reference_is_made_for_any_model(state_dict_file: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").symlink_to(state_dict_file)
    assert "no reference answers" in engine_and_notice(tmp_path / "mine.pth")[1]
    assert make_reference(tmp_path / "mine.pth") == tmp_path
    assert engine_and_notice(tmp_path / "mine.pth") == ("OpenVINO float32", "")


def test_the_shipped_reference_is_what_pytorch_computes() -> None:
    predictor = Predictor.open(None, EngineRules("torch", device="cpu"))
    assert (predictor.identity.engine, predictor.notice) == (PYTORCH, None)
    expected = read_reference(SHIPPED, read_model(SHIPPED)[1].hashes).measured
    for ours, theirs in zip(predictor.measure(reference_images()), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_every_engine_of_this_machine_gives_the_same_answers() -> None:
    compared = list(compare_engines(None))
    assert {PYTORCH, "OpenVINO float32"} <= {each.engine for each in compared}
    assert all(each.same for each in compared), compared


@pytest.mark.skipif(openvino_engine.computes_bfloat16(), reason="the processor computes in bfloat16")
def test_bfloat16_needs_a_processor_that_computes_in_it() -> None:
    with pytest.raises(ConfigurationError, match=r"model\.precision: this processor .* write auto"):
        Predictor.open(None, EngineRules("openvino", "bfloat16"))
    assert Predictor.open(None, EngineRules("openvino", "auto")).identity.engine == "OpenVINO float32"


@pytest.mark.skipif(not openvino_engine.computes_bfloat16(), reason="the processor lacks bfloat16")
def test_bfloat16_is_used_where_the_processor_computes_in_it() -> None:
    assert Predictor.open(None, EngineRules("openvino", "auto")).identity.engine == "OpenVINO bfloat16"
