"""A whole training of a few seconds: killed, resumed, finished, evaluated."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file

from gateway.errors import ConfigurationError
from gateway.model.card import read_card
from gateway.model.choice import EngineRules
from gateway.model.predictor import SHIPPED, Predictor
from gateway.training import stage
from gateway.training.evaluation.evaluate import evaluate
from gateway.training.outliers import fit_detector
from gateway.training.refusal import set_limits
from gateway.training.train import train

Radiographs = Callable[[Path, int, int], None]

PLAIN = {"objective": "classify", "augmentation": "some", "size": 32, "batch": 4, "samples": 12, "rate": 0.01}


@pytest.fixture
def recipe(tmp_path: Path, radiographs: Radiographs) -> Path:
    radiographs(tmp_path / "data" / "NORMAL", 10, 1)
    radiographs(tmp_path / "data" / "PNEUMONIA", 10, 2)
    radiographs(tmp_path / "test" / "NORMAL", 2, 3)
    radiographs(tmp_path / "test" / "PNEUMONIA", 2, 4)
    classes = {"NORMAL": "Normal", "PNEUMONIA": "Pneumonia"}
    stages = [
        PLAIN | {"name": "alone", "objective": "contrast"},
        PLAIN | {"name": "teacher", "start": "alone"},
        PLAIN | {"name": "student", "objective": "distil", "teachers": [{"weights": "teacher", "size": 24}]},
        PLAIN | {"name": "both", "objective": "average", "members": ["teacher", "student"]},
    ]
    content: dict[str, Any] = {
        "name": "tiny",
        "version": "1",
        "root": str(tmp_path),
        "out": str(tmp_path / "out"),
        "device": "cpu",
        "sources": [{"name": "made up", "folder": "data", "classes": classes, "validation": 0.25}],
        "augmentations": {"some": {"gamma": 0.2, "mixup": 0.2, "local_contrast": 0.5, "warp": 0.1}},
        "stages": stages,
        "test": {"name": "other", "folder": "test", "classes": classes},
    }
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


class KilledError(Exception):
    """Stands for the end of the process."""


def die_in(name: str) -> Callable[[int, int, str], None]:
    def progress(done: int, _: int, what: str) -> None:
        if what.startswith(name) and done >= 60:
            raise KilledError

    return progress


def test_a_killed_stage_resumes_and_a_finished_one_is_not_repeated(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = tmp_path / "out" / "alone"
    monkeypatch.setattr(stage, "SAVE_EVERY", 0.0)
    with pytest.raises(KilledError):
        train(recipe, die_in("alone"), ["alone"])
    checkpoint = torch.load(alone / "checkpoint.pt", weights_only=True)
    assert json.loads(checkpoint["progress"])[0] == 2
    monkeypatch.undo()

    out = train(recipe, lambda *_: None, ["alone"])

    assert {path.name for path in out.iterdir()} == {"alone", "cache"}
    assert not (alone / "checkpoint.pt").exists()
    assert json.loads((alone / "report.json").read_text())["seen"] == 12
    finished = (alone / "report.json").stat().st_mtime_ns
    train(recipe, lambda *_: None, ["alone"])
    assert (alone / "report.json").stat().st_mtime_ns == finished


@pytest.mark.slow  # two minutes of processor time: every objective, a ResNet-50 each
def test_a_training_leaves_a_model(recipe: Path, tmp_path: Path) -> None:
    out = train(recipe, lambda *_: None)
    names = {"model.safetensors", "model.yaml", "metrics.json", "MODEL_CARD.md", "roc.png", "loss.png"}
    names |= {"refused.json", "precision_recall.png", "confusion.png", "reliability.png", "activation.png"}
    assert names <= {path.name for path in out.iterdir()}
    measured = evaluate(out, tmp_path / "test", rules=EngineRules(device="cpu"))
    assert measured["images"] == 4
    assert measured["accuracy"] == json.loads((out / "metrics.json").read_text())["other"]["accuracy"]
    card = read_card(out / "model.yaml")
    assert card.metrics["other"]["accuracy"] == pytest.approx(measured["accuracy"]["value"], abs=1e-4)
    assert card.abstention is not None
    assert Predictor.open(out, EngineRules(device="cpu")).identity.name == "tiny"


@pytest.mark.slow  # half a minute of processor time: every figure of a model
def test_the_limits_of_a_finished_model_are_set_anew(recipe: Path) -> None:
    shipped = read_card(SHIPPED / "model.yaml")
    assert shipped.lungs is not None
    view = shipped.lungs.model_dump(include={"margin", "region"})
    lungs = {"weights": str(SHIPPED / "lungs.safetensors"), **view}
    out = set_limits(changed(recipe, lambda content: content.update(lungs=lungs)), SHIPPED, lambda *_: None)
    card = read_card(out / "model.yaml")
    assert (card.name, card.version) == ("tiny", "1")
    assert card.abstention != shipped.abstention
    assert (card.weights, card.lungs) == (shipped.weights, shipped.lungs)
    assert card.temperature == shipped.temperature
    for name in ("model.safetensors", "lungs.safetensors"):
        assert (out / name).read_bytes() == (SHIPPED / name).read_bytes()
    its, ours = (json.loads((folder / "reference.json").read_text("utf-8")) for folder in (SHIPPED, out))
    assert ours.keys() == its.keys()
    for name, value in its.items():
        if isinstance(value, str):
            assert ours[name] == value
        else:  # another number of threads adds up in another order
            assert np.array(ours[name]) == pytest.approx(np.array(value), abs=1e-3)
    assert card.metrics.keys() == {"other"}
    assert Predictor.open(out, EngineRules(device="cpu")).card == card


def test_limits_are_set_for_images_as_the_model_sees_them(recipe: Path) -> None:
    with pytest.raises(ConfigurationError, match="lung network, margin or region is not the model's"):
        set_limits(recipe, SHIPPED, lambda *_: None)


def changed(recipe: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = yaml.safe_load(recipe.read_text())
    change(content)
    recipe.write_text(yaml.safe_dump(content))
    return recipe


def test_what_is_needed_later_is_tried_first(recipe: Path, tmp_path: Path) -> None:
    def start_from(path: Path) -> Callable[[dict[str, Any]], None]:
        return lambda content: content["stages"][2].update(start=str(path))

    save_file({"conv.weight": torch.zeros(1)}, tmp_path / "vgg.safetensors")
    with pytest.raises(ConfigurationError, match=r"vgg\.safetensors is not a ResNet-50"):
        train(changed(recipe, start_from(tmp_path / "vgg.safetensors")), lambda *_: None)
    train_tried = changed(recipe, start_from(SHIPPED / "model.safetensors"))  # a finished model will do
    (tmp_path / "test" / "NORMAL" / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ConfigurationError, match=r"broken\.png is not a readable image"):
        train(train_tried, lambda *_: None)
    assert not (tmp_path / "out" / "alone").exists()


def test_stages_are_trained_by_name(recipe: Path) -> None:
    with pytest.raises(ConfigurationError, match="no stage alnoe"):
        train(recipe, lambda *_: None, ["alnoe"])
    with pytest.raises(ConfigurationError, match="teacher"):  # whom the student needs
        train(recipe, lambda *_: None, ["student"])


def test_the_detector_tells_what_it_was_shown() -> None:
    rng = torch.Generator().manual_seed(0)
    near, far = torch.randn(60, 40, generator=rng), torch.randn(30, 40, generator=rng) + 4
    detector = fit_detector(near, torch.arange(60) % 2, far)
    chests, negatives = detector.score(near.numpy()), detector.score(far.numpy())
    assert negatives[:, 1].min() > chests[:, 1].max()
    assert np.median(negatives[:, 0]) > 2 * np.median(chests[:, 0])
