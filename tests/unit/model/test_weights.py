import hashlib
import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model.card import ModelCard, Weights, write_card
from gateway.model.choice import EngineRules
from gateway.model.predictor import SHIPPED, Predictor, read_model

TORCH = EngineRules("torch", device="cpu")  # opened twice as fast as OpenVINO, which is not the matter here
State = dict[str, Any]


def as_it_is(state: State) -> Any:
    return state


def data_parallel(state: State) -> Any:
    return {f"module.{name}": tensor for name, tensor in state.items()}


def checkpoint(state: State) -> Any:
    return {"epoch": 3, "state_dict": state}


def dropout_before_the_head(state: State) -> Any:
    return {name.replace("fc.", "fc.1."): tensor for name, tensor in state.items()}


def no_counters(state: State) -> Any:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    "variant", [as_it_is, data_parallel, checkpoint, dropout_before_the_head, no_counters]
)
def test_a_users_state_dict_is_read_as_it_comes(
    network: nn.Module, images: np.ndarray, tmp_path: Path, variant: Callable[[State], Any]
) -> None:
    torch.save(variant(network.state_dict()), tmp_path / "mine.pth")
    predictor = Predictor.open(tmp_path / "mine.pth", TORCH)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).softmax(dim=1)[:, 1]
    answered = [prediction.score for prediction in predictor.predict(images)]
    assert answered == pytest.approx(expected.tolist(), abs=1e-4)


def other_head(state: State) -> Any:
    return state | {"fc.weight": torch.zeros(1000, 2048), "fc.bias": torch.zeros(1000)}


def no_last_stage(state: State) -> Any:
    return {name: tensor for name, tensor in state.items() if not name.startswith("layer4")}


def deeper(state: State) -> Any:
    return state | {"layer3.6.conv1.weight": torch.zeros(256, 1024, 1, 1)}


def grey_input(state: State) -> Any:
    return state | {"conv1.weight": torch.zeros(64, 1, 7, 7)}


@pytest.mark.parametrize(
    ("variant", "complaint"),
    [
        (other_head, r"fc.weight has shape \(1000, 2048\), expected \(2, 2048\)"),
        (no_last_stage, "layer4.0.conv1.weight is missing"),
        (deeper, "layer3.6.conv1.weight is not part of it"),
        (grey_input, r"conv1.weight has shape \(64, 1, 7, 7\)"),
        (lambda state: [state], "holds no state_dict"),
        (lambda _: Path("a"), "holds no plain weights"),
        (lambda state: dict(enumerate(state.values())), "holds no state_dict"),
        (lambda state: state | {"fc.bias": torch.zeros(2).to_sparse()}, "holds no state_dict"),
        (lambda state: state | {"fc.bias": torch.zeros(2, dtype=torch.complex64)}, "holds no state_dict"),
        (lambda state: state | {"abstention.mean": torch.zeros(2)}, "its detector lacks"),
    ],
)
def test_another_architecture_is_refused_in_one_line(
    network: nn.Module, tmp_path: Path, variant: Callable[[State], Any], complaint: str
) -> None:
    path = tmp_path / "other.pth"
    torch.save(variant(network.state_dict()), path)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        Predictor.open(path, TORCH)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def zipped() -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("a.txt", "a")
        return file.getvalue()


def cut(state: State) -> bytes:
    with io.BytesIO() as file:
        torch.save(state, file)
        return file.getvalue()[:100_000]


DAMAGED = {
    "text": b"not weights",
    "empty": b"",
    "one letter": b"e",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "DICOM": bytes(128) + b"DICM" + bytes(100),
    "zip": zipped(),
    "cut": cut({"a": torch.zeros(100_000)}),
    "YAML": b"model: x",
    "a pickle of a function": pickle.dumps(print),
    "a pickle of numbers": pickle.dumps([1, 2]),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("name", ["broken.pth", "broken.safetensors"])
def test_a_damaged_file_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    if name.endswith("safetensors"):
        weights = Weights(file=name, sha256=hashlib.sha256(content).hexdigest())
        write_card(ModelCard(name="broken", version="1", weights=weights), tmp_path / "broken.yaml")
    with pytest.raises(ConfigurationError, match="holds no") as refused:
        Predictor.open(tmp_path / name)
    assert "\n" not in str(refused.value)


def test_weights_that_the_card_does_not_describe_are_refused(network: nn.Module, tmp_path: Path) -> None:
    save_file(
        {name: tensor.half() for name, tensor in network.state_dict().items()}, tmp_path / "w.safetensors"
    )
    actual = hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    card = ModelCard(name="lungs", version="1", weights=Weights(file="w.safetensors", sha256="0" * 64))
    write_card(card, tmp_path / "model.yaml")
    with pytest.raises(ConfigurationError, match=rf"w\.safetensors has SHA-256 {actual}.*says {'0' * 64}"):
        Predictor.open(tmp_path, TORCH)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no model at .*model\.pth: name, here or by model.path"):
        Predictor.open(tmp_path / "model.pth")
    with pytest.raises(ConfigurationError, match="no model card at"):
        Predictor.open(tmp_path, TORCH)
    weights = Weights(file="gone.safetensors", sha256="0" * 64)
    write_card(ModelCard(name="lungs", version="1", weights=weights), tmp_path / "model.yaml")
    with pytest.raises(ConfigurationError, match=r"gone\.safetensors cannot be read"):
        Predictor.open(tmp_path, TORCH)


def test_values_that_are_no_numbers_open_no_model(network: nn.Module, tmp_path: Path) -> None:
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    state["layer1.0.bn1.weight"][3] = torch.nan
    torch.save(state, tmp_path / "diverged.pth")
    told = r"diverged\.pth holds values that are no numbers, in layer1\.0\.bn1\.weight"
    with pytest.raises(ConfigurationError, match=told):
        Predictor.open(tmp_path / "diverged.pth", TORCH)


def test_a_file_of_another_kind_is_no_model_whatever_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text((SHIPPED / "model.yaml").read_text())
    (tmp_path / "model.dcm").write_bytes(b"an image")
    with pytest.raises(ConfigurationError, match=r"model\.dcm is no model: name, here or by model\.path"):
        read_model(tmp_path / "model.dcm")
