"""A model with a lung network: both networks in each engine, their proof, and the answers."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save_file
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model.card import CARD_NAME, read_card
from gateway.model.choice import EngineRules
from gateway.model.comparison import compare_engines
from gateway.model.lung_network import LungNetwork
from gateway.model.lung_unet import SIDE, shapes
from gateway.model.openvino_engine import OpenVinoEngine
from gateway.model.predictor import Predictor
from gateway.model.reference import REFERENCE_NAME
from gateway.model.torch_engine import TorchEngine
from gateway.model.weights import State
from gateway.records import UNDETERMINED, LungNetworkIdentity, Lungs, ModelIdentity, WholeImage
from gateway.settings import Settings
from gateway.worker.answering import answering_of, configuration_hash
from tests.support.answers import FINDING
from tests.support.lungs import (
    BOTH,
    LEFT,
    LUNG,
    LUNGS_NAME,
    RIGHT,
    chest,
    lung_state,
    model_input,
    with_lungs,
    without_lungs,
)

PYTORCH = EngineRules("torch", device="cpu")
OPENVINO = EngineRules("openvino", "float32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the shipped classifier and the hand-made lung network, and their reference answers."""
    return with_lungs(tmp_path_factory.mktemp("with lungs"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    """The shipped classifier without a lung network."""
    return Predictor.open(without_lungs(tmp_path_factory.mktemp("without lungs")), OPENVINO)


@pytest.fixture
def changeable(model: Path, tmp_path: Path) -> Path:
    """The same folder, for a test that changes its files."""
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture(scope="module")
def predictor(model: Path) -> Predictor:
    return Predictor.open(model, OPENVINO)


def random_state() -> State:
    torch.manual_seed(2)
    network = LungNetwork()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.2)
            module.running_mean.normal_(0, 0.2)  # type: ignore[union-attr,operator]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr,operator]
    nn.init.normal_(network.get_submodule("out").weight, 0, 5)  # type: ignore[arg-type]
    named = network.state_dict().items()
    return {name: tensor.numpy() for name, tensor in named if not name.endswith("num_batches_tracked")}


def classifier_state(network: nn.Module) -> State:
    named = network.state_dict().items()
    return {name: tensor.numpy() for name, tensor in named if not name.endswith("num_batches_tracked")}


def test_the_shapes_are_the_networks() -> None:
    assert list(shapes().items()) == [(name, array.shape) for name, array in random_state().items()]


@pytest.mark.parametrize("state", [random_state(), lung_state()], ids=["random", "hand-made"])
def test_both_engines_mark_the_same_lungs(network: nn.Module, state: State) -> None:
    images = np.random.default_rng(0).uniform(-1, 1, (3, 1, SIDE, SIDE)).astype(np.float32)
    classifier = classifier_state(network)
    expected = TorchEngine(classifier, torch.device("cpu"), 1, state).mark_lungs(images)
    computed = OpenVinoEngine(classifier, "auto", 1, state).mark_lungs(images)
    assert computed.shape == (3, SIDE, SIDE)
    assert computed.dtype == np.float32
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(computed, expected, atol=1e-4)


def test_the_classifier_sees_the_lungs(predictor: Predictor, alone: Predictor) -> None:
    images = model_input(chest(LEFT, RIGHT))
    (prediction,) = predictor.predict(images)
    region = prediction.region
    assert isinstance(region, Lungs)
    assert region.coverage == pytest.approx(0.254, abs=0.01)
    margin = (BOTH.left - 0.035, BOTH.top - 0.03, BOTH.right + 0.035, BOTH.bottom + 0.03)
    assert region.box == pytest.approx(margin, abs=0.01)
    seen = predictor.look(images).images
    assert (np.abs(seen[0, 0] - LUNG) < 0.01).mean() > 0.4
    assert predictor.measure(images).log_odds == pytest.approx(alone.measure(seen).log_odds, abs=1e-4)


def test_the_activation_map_lies_over_the_whole_image(predictor: Predictor) -> None:
    images = model_input(chest(LEFT, RIGHT))
    (prediction,) = predictor.predict(images)
    assert isinstance(prediction.region, Lungs)
    left, top, right, bottom = (28 * edge for edge in prediction.region.box)
    places = np.arange(28) + 0.5
    inside = ((places > top) & (places < bottom))[:, None] & ((places > left) & (places < right))
    assert (prediction.activation[~inside] == 0).all()
    assert (prediction.activation[inside] != 0).mean() > 0.99
    of_crop = predictor.measure(images).activation
    assert prediction.activation[inside].mean() == pytest.approx(of_crop.mean(), rel=0.1)


@pytest.mark.parametrize(
    "image", [chest(LEFT), np.rot90(chest(LEFT, RIGHT))], ids=["one lung", "on its side"]
)
def test_a_doubtful_mask_lets_the_classifier_see_the_whole_image(
    predictor: Predictor, alone: Predictor, image: np.ndarray
) -> None:
    images = model_input(image)
    (prediction,) = predictor.predict(images)
    assert isinstance(prediction.region, WholeImage)
    assert not prediction.region.empty
    assert prediction.activation.shape == (7, 7)
    assert predictor.measure(images).log_odds == pytest.approx(alone.measure(images).log_odds, abs=1e-4)


def test_an_image_without_lungs_gets_no_answer(predictor: Predictor) -> None:
    (prediction,) = predictor.predict(model_input(chest()))
    assert prediction.label == UNDETERMINED
    assert prediction.score is None
    assert prediction.reason == "No lungs were found in the image."
    assert isinstance(prediction.region, WholeImage)
    assert prediction.region.outcome == "no_lungs"


def test_the_answer_does_not_depend_on_the_batch(predictor: Predictor) -> None:
    images = model_input(chest(LEFT, RIGHT), chest(), chest(LEFT))
    together, alone = predictor.predict(images), [predictor.predict(images[[i]])[0] for i in range(3)]
    assert [each.region for each in together] == [each.region for each in alone]
    assert predictor.predict(images[:0]) == []


def test_the_identity_names_the_lung_network(model: Path, predictor: Predictor, alone: Predictor) -> None:
    card = read_card(model / CARD_NAME)
    assert card.lungs
    identity = predictor.identity
    assert identity.lungs == LungNetworkIdentity(card.lungs.sha256, "box", 0.05)
    assert asdict(identity) == asdict(alone.identity) | {"lungs": asdict(identity.lungs)}
    assert identity.device_uid != alone.identity.device_uid


def test_a_model_without_a_lung_network_sees_whole_images(alone: Predictor) -> None:
    images = model_input(chest(LEFT, RIGHT))
    assert alone.identity.lungs is None
    (prediction,) = alone.predict(images)
    assert prediction.region is None
    assert prediction.activation.shape == (7, 7)
    assert alone.look(images).images is images


def test_an_answer_without_a_lung_network_is_what_it_was_before_there_was_one() -> None:
    model = ModelIdentity("m", "1", "ab" * 32, 0.5, "none", "Normal", "Pneumonia", FINDING)
    assert model.device_uid == "2.25.36436223785870246001453545351639491105"
    stated = answering_of(Settings(), model) | {"software_version": "0.2.0"}
    assert configuration_hash(stated) == "77309ef4b93353260b35f11830de075ab503148777c5e1a324ecf3ca28cd1c66"
    lungs = LungNetworkIdentity("cd" * 32, "box", 0.05)
    assert "lungs" in answering_of(Settings(), replace(model, lungs=lungs))


def test_every_engine_is_proven_with_both_networks(model: Path) -> None:
    assert Predictor.open(model, OPENVINO).notice is None
    compared = list(compare_engines(model))
    assert {"PyTorch float32", "OpenVINO float32"} <= {each.engine for each in compared}
    exact = [each for each in compared if each.engine.endswith("float32")]  # bfloat16 may be told to differ
    assert exact
    assert all(each.same for each in exact), compared


def test_a_lung_network_that_computes_something_else_does_not_answer(changeable: Path) -> None:
    path = changeable / REFERENCE_NAME
    content = json.loads(path.read_text())
    content["lungs"][0][3][3] += 0.01
    path.write_text(json.dumps(content))
    opened = Predictor.open(changeable, OPENVINO)
    assert opened.identity.engine == "PyTorch float32"
    assert "lungs 0.01; allowed" in (opened.notice or "")
    assert not any(each.same for each in compare_engines(changeable))


def test_reference_answers_of_another_lung_network_prove_nothing(changeable: Path) -> None:
    shifted = lung_state()
    shifted["out.bias"] = shifted["out.bias"] + np.float32(0.01)
    save_file(shifted, changeable / LUNGS_NAME)
    state_the_hash(changeable)
    assert "holds answers of other weights" in (Predictor.open(changeable, OPENVINO).notice or "")


def state_the_hash(folder: Path) -> None:
    """Let the card name the lung network that lies in the folder."""
    card = yaml.safe_load((folder / CARD_NAME).read_text())
    card["lungs"]["sha256"] = hashlib.sha256((folder / LUNGS_NAME).read_bytes()).hexdigest()
    (folder / CARD_NAME).write_text(yaml.safe_dump(card))


def test_a_damaged_lung_network_is_refused(changeable: Path) -> None:
    path = changeable / LUNGS_NAME
    save_file(lung_state() | {"out.bias": np.zeros(2, np.float32)}, path)
    with pytest.raises(ConfigurationError, match=r"lungs\.safetensors has SHA-256 .*, its model card says"):
        Predictor.open(changeable)
    state_the_hash(changeable)
    with pytest.raises(
        ConfigurationError, match=r"is not a lung network of this version: out\.bias has shape"
    ):
        Predictor.open(changeable)
    path.unlink()
    with pytest.raises(ConfigurationError, match=r"lungs\.safetensors cannot be read: No such file"):
        Predictor.open(changeable)


def test_openvino_marks_lungs_without_pytorch(model: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "import numpy as np\n"
        "from gateway.model.predictor import Predictor\n"
        "from gateway.model.choice import EngineRules\n"
        "predictor = Predictor.open(Path(sys.argv[1]), EngineRules('openvino', 'float32'))\n"
        "predictor.predict(np.zeros((1, 3, 224, 224), np.float32))\n"
        "print(predictor.identity.engine, predictor.notice, 'torch' in sys.modules)\n"
    )
    command = [sys.executable, "-c", code, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "OpenVINO float32 None False\n"
