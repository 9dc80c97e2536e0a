import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model.abstention import Detector
from gateway.model.card import Abstention, ModelCard, Weights, write_card
from gateway.model.choice import EngineRules
from gateway.model.predictor import Predictor
from gateway.model.resnet50 import DESCRIPTION
from gateway.records import UNDETERMINED

TORCH = EngineRules("torch", device="cpu")  # opened twice as fast as OpenVINO, which is not the matter here


@pytest.fixture
def predictor(state_dict_file: Path) -> Predictor:
    return Predictor.open(state_dict_file, TORCH)


def test_a_state_dict_without_a_card_says_who_it_is(predictor: Predictor, state_dict_file: Path) -> None:
    digest = hashlib.sha256(state_dict_file.read_bytes()).hexdigest()
    identity = predictor.identity
    assert (identity.name, identity.version) == ("lungs", digest[:12])
    assert (identity.weights_sha256, identity.threshold, identity.calibration) == (digest, 0.5, "none")


def test_a_card_beside_a_state_dict_is_obeyed(state_dict_file: Path, tmp_path: Path) -> None:
    content = state_dict_file.read_bytes()
    (tmp_path / "mine.pth").write_bytes(content)
    weights = Weights(file="mine.pth", sha256=hashlib.sha256(content).hexdigest())
    card = ModelCard(name="mine", version="7", weights=weights, threshold=0.3, temperature=1.5)
    write_card(card, tmp_path / "mine.yaml")
    identity = Predictor.open(tmp_path / "mine.pth", TORCH).identity
    assert (identity.name, identity.threshold, identity.calibration) == ("mine", 0.3, "temperature 1.5")
    assert Predictor.open(tmp_path / "mine.pth", TORCH, threshold=0.9).identity.threshold == 0.9


def test_the_answer_does_not_depend_on_the_batch(predictor: Predictor, images: np.ndarray) -> None:
    together = predictor.predict(images)
    alone = [predictor.predict(images[i : i + 1])[0] for i in range(3)]
    assert [a.score for a in together] == pytest.approx([a.score for a in alone], abs=1e-5)
    assert predictor.predict(images[:0]) == []


@pytest.mark.parametrize(("threshold", "label"), [(0.0, "Pneumonia"), (1.0, "Normal")])
def test_the_threshold_decides(
    state_dict_file: Path, images: np.ndarray, threshold: float, label: str
) -> None:
    answer = Predictor.open(state_dict_file, TORCH, threshold=threshold).predict(images[:1])[0]
    assert answer.label is label
    assert answer.reason is None
    assert answer.activation.shape == (7, 7)
    assert answer.activation.dtype == np.float32


def detector(distance: float, outlier: float) -> Detector:
    """One that finds every image at this distance, squared, and with this outlier score."""
    return Detector(
        mean=np.zeros(DESCRIPTION, np.float32),
        scale=np.ones(DESCRIPTION, np.float32),
        axes=np.zeros((DESCRIPTION, 4), np.float32),
        centres=np.full((2, 4), distance**0.5, np.float32),
        weight=np.zeros(DESCRIPTION, np.float32),
        bias=np.array([outlier], np.float32),
    )


def arrays(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


@pytest.mark.parametrize(
    ("distance", "outlier", "reason"),
    [
        (1.0, 0.0, None),
        (4.0, 0.0, r"unlike the frontal chest radiographs .* \(distance 4.0, limit 2.0\)"),
        (1.0, 5.0, r"not a frontal chest radiograph \(score 5.0, limit 3.0\)"),
    ],
)
def test_it_abstains_beyond_its_limits(
    network: nn.Module,
    images: np.ndarray,
    tmp_path: Path,
    distance: float,
    outlier: float,
    reason: str | None,
) -> None:
    path = tmp_path / "w.safetensors"
    tensors = arrays(network) | detector(distance, outlier).tensors()
    save_file({name: array.astype(np.float16) for name, array in tensors.items()}, path)
    weights = Weights(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    card = ModelCard(
        name="lungs", version="1", weights=weights, abstention=Abstention(distance=2.0, outlier=3.0)
    )
    write_card(card, tmp_path / "model.yaml")
    answer = Predictor.open(tmp_path, TORCH).predict(images[:1])[0]
    if reason is None:
        assert answer.label != UNDETERMINED
        assert answer.score is not None
    else:
        assert answer.label == UNDETERMINED
        assert answer.score is None
        assert re.search(reason, answer.reason or "")


def test_an_output_that_is_no_number_is_no_answer(predictor: Predictor, images: np.ndarray) -> None:
    damaged, sound = predictor.predict(np.stack([np.full_like(images[0], np.nan), images[0]]))
    assert damaged.label == UNDETERMINED
    assert damaged.score is None
    assert damaged.reason is not None
    assert "not a number" in damaged.reason
    assert sound.score is not None


def test_a_detector_of_another_version_is_refused(network: nn.Module, tmp_path: Path) -> None:
    tensors = detector(1.0, 0.0).tensors() | {"abstention.mean": np.zeros(10752, np.float32)}
    path = tmp_path / "w.safetensors"
    save_file(arrays(network) | tensors, path)
    weights = Weights(file=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    write_card(ModelCard(name="lungs", version="1", weights=weights), tmp_path / "model.yaml")
    with pytest.raises(
        ConfigurationError,
        match=r"w\.safetensors: its detector takes 10752 numbers of an image.* train the model",
    ):
        Predictor.open(tmp_path, TORCH)


def test_a_device_that_is_not_there_is_refused(state_dict_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="device abacus is not available"):
        Predictor.open(state_dict_file, EngineRules(device="abacus"))
