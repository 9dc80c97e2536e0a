from pathlib import Path

import pytest
import yaml

from gateway.errors import ConfigurationError
from gateway.model.card import Abstention, ModelCard, Weights, read_card, write_card
from gateway.model.predictor import SHIPPED

CARD = ModelCard(name="lungs", version="2.1", weights=Weights(file="model.safetensors", sha256="ab" * 32))


@pytest.mark.parametrize(
    "card",
    [CARD, CARD.model_copy(update={"temperature": 1.31, "abstention": Abstention(distance=2, outlier=-0.5)})],
    ids=["bare", "full"],
)
def test_what_is_written_is_read_back(tmp_path: Path, card: ModelCard) -> None:
    write_card(card, tmp_path / "model.yaml")
    assert read_card(tmp_path / "model.yaml") == card


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("treshold: 0.4", "treshold: there is no such key; did you mean .threshold."),
        ("threshold: 1.5", "threshold: must be 1 or less, not 1.5"),
        ("temperature: 0", "temperature: must be more than 0, not 0"),
        ("architecture: vgg16", "architecture: must be 'resnet50', not 'vgg16'"),
        ("classes: [Normal, Normal]", "classes: two different names"),
        ("input: {size: 512}", "input.size: must be 224 or less, not 512"),
        ("abstention: {distance: .nan, outlier: 1}", "abstention.distance: must be a finite number, not nan"),
        ("lungs: lungs.safetensors", "lungs: must hold keys and values, not 'lungs.safetensors'"),
        ("]", "cannot be read"),
    ],
)
def test_a_wrong_card_is_refused_in_one_line(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "model.yaml"
    write_card(CARD, path)
    card = path.read_text()
    wrong = card + line if line == "]" else yaml.safe_dump(yaml.safe_load(card) | yaml.safe_load(line))
    path.write_text(wrong)
    with pytest.raises(ConfigurationError, match=complaint) as refused:
        read_card(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_card_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"no model card at .*: name, here or by model.path, a folder"
    ):
        read_card(tmp_path / "model.yaml")


@pytest.mark.parametrize(
    ("temperature", "log_odds", "p"),
    [(None, 0.0, 0.5), (None, 2.0, 0.8808), (2.0, 2.0, 0.7311), (None, -1000.0, 0.0), (None, 1000.0, 1.0)],
)
def test_log_odds_become_a_probability(temperature: float | None, log_odds: float, p: float) -> None:
    card = CARD.model_copy(update={"temperature": temperature})
    assert card.probability(log_odds) == pytest.approx(p, abs=1e-4)


def test_the_card_of_a_lung_network_is_told() -> None:
    with pytest.raises(
        ConfigurationError, match=r"lungs\.yaml is the card of a lung network, which gives no"
    ):
        read_card(SHIPPED / "lungs.yaml")
