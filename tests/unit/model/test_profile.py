"""A site profile fits one model, is whole or refused, and is part of what names an answer."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gateway.errors import ConfigurationError
from gateway.model.card import LungNetwork, ModelCard, Weights
from gateway.model.choice import EngineRules, Weighed, choose
from gateway.model.predictor import Predictor, read_model
from gateway.model.profile import PROFILE_NAME, STATISTICS_NAME, ScannerThreshold, read_profile
from gateway.model.weights import State
from gateway.records import FittedSite, uid_from
from gateway.settings import Settings
from gateway.worker.answering import answering_of, configuration_hash
from tests.support.answers import MODEL, NORMAL
from tests.support.profiles import MADE, SITE, profile_in

CARD = ModelCard(name="mine", version="2", weights=Weights(file="x.safetensors", sha256="5e" * 32))
SITE_A = FittedSite(SITE, "2026-05-17", "ab" * 32, (("Acme X1", 0.25),))
FITTED = replace(MODEL, site=SITE_A)
TORCH = EngineRules("torch", device="cpu", threads=1)


@pytest.fixture
def state(network: nn.Module) -> State:
    return {
        name: tensor.numpy().copy()
        for name, tensor in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }


def other(state: State) -> State:
    return {name: np.full_like(array, 0.5) for name, array in state.items()}


def test_a_profile_is_read_as_it_was_written(tmp_path: Path, state: State) -> None:
    sha256 = profile_in(
        tmp_path, CARD, other(state), scanners={"Acme": ScannerThreshold(threshold=0.3, images=20)}
    )
    for path in (tmp_path, tmp_path / PROFILE_NAME):
        profile = read_profile(path, CARD)
        assert profile.identity == FittedSite(SITE, MADE.isoformat(), sha256, (("Acme", 0.3),))
        fitted = profile.fit(state)
        assert fitted.keys() == state.keys()
        assert (fitted["bn1.running_var"] == 0.5).all()
        np.testing.assert_array_equal(fitted["conv1.weight"], state["conv1.weight"])
        assert profile.fitted(CARD).threshold == 0.75
        assert profile.fitted(CARD).temperature == CARD.temperature


def test_a_profile_of_another_model_is_refused(tmp_path: Path, state: State) -> None:
    profile_in(tmp_path, CARD, state)
    model = CARD.model_copy(update={"version": "3", "weights": Weights(file="x", sha256="77" * 32)})
    with pytest.raises(
        ConfigurationError, match=r"belongs to mine 2 \(weights 5e5e5e5e5e5e\), the model is mine 3"
    ):
        read_profile(tmp_path, model)


def test_a_profile_of_another_lung_network_is_refused_by_both_names(tmp_path: Path, state: State) -> None:
    profile_in(tmp_path, CARD.model_copy(update={"lungs": lungs_of("33" * 32)}), state)
    told = r"lung network 3{12}\), the model is mine 2 \(weights (5e){6}, lung network 4{12}\)"
    with pytest.raises(ConfigurationError, match=told):
        read_profile(tmp_path, CARD.model_copy(update={"lungs": lungs_of("44" * 32)}))
    with pytest.raises(ConfigurationError, match=r"the model is mine 2 \(weights 5e5e5e5e5e5e\)"):
        read_profile(tmp_path, CARD)


def lungs_of(sha256: str) -> LungNetwork:
    return LungNetwork(file="lungs.safetensors", sha256=sha256)


def test_a_profile_of_a_later_format_is_told_by_its_version(tmp_path: Path, state: State) -> None:
    profile_in(tmp_path, CARD, state)
    rewrite(tmp_path / PROFILE_NAME, "format: 1", "format: 2\nnew: 1")
    told = r"has format 2, this version of the gateway reads format 1: go back to .* \(0\.3\.0\)"
    with pytest.raises(ConfigurationError, match=told):
        read_profile(tmp_path, CARD)


def rewrite(file: Path, before: str, after: str) -> None:
    """Change a profile as a program would that seals it again."""
    body = file.read_text().rpartition("sha256: ")[0].replace(before, after, 1)
    file.write_text(f"{body}sha256: {hashlib.sha256(body.encode()).hexdigest()}\n")


def test_a_profile_that_was_changed_by_hand_is_refused(tmp_path: Path, state: State) -> None:
    profile_in(tmp_path, CARD, state)
    file = tmp_path / PROFILE_NAME
    file.write_text(file.read_text().replace("threshold: 0.75", "threshold: 0.99"))
    with pytest.raises(ConfigurationError, match="was changed after it was made"):
        read_profile(tmp_path, CARD)


@pytest.mark.parametrize("damage", ["changed", "missing", "of less"])
def test_statistics_that_are_not_the_profiles_are_refused(tmp_path: Path, state: State, damage: str) -> None:
    less = {"bn1.running_mean": state["bn1.running_mean"]}
    profile_in(tmp_path, CARD, less if damage == "of less" else state)
    file = tmp_path / STATISTICS_NAME
    if damage == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"\1")
    elif damage == "missing":
        file.unlink()
    with pytest.raises(ConfigurationError, match=STATISTICS_NAME):
        read_profile(tmp_path, CARD)


def test_statistics_and_limits_that_are_no_numbers_are_refused(tmp_path: Path, state: State) -> None:
    profile_in(tmp_path / "statistics", CARD, {name: np.full_like(a, np.nan) for name, a in state.items()})
    with pytest.raises(ConfigurationError, match="holds values that are no numbers, in "):
        read_profile(tmp_path / "statistics", CARD)
    profile_in(tmp_path / "limit", CARD, state)
    rewrite(tmp_path / "limit" / PROFILE_NAME, "threshold: 0.75", "threshold: .nan")
    with pytest.raises(ConfigurationError, match="threshold: must be a finite number, not nan"):
        read_profile(tmp_path / "limit", CARD)


def test_no_profile_at_the_path_is_said_with_the_settings_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"correct model\.profile"):
        read_profile(tmp_path / "none", CARD)


def test_a_profile_changes_device_and_configuration_and_nothing_else_does() -> None:
    names = f"device|{MODEL.name}|{MODEL.version}|{MODEL.weights_sha256}"
    assert MODEL.device_uid == uid_from(names)
    assert FITTED.device_uid == uid_from(f"{names}|profile {SITE_A.sha256}")
    plain, fitted = (answering_of(Settings(), each) for each in (MODEL, FITTED))
    assert "site" not in plain
    assert fitted == plain | {"site": f"{SITE}, 2026-05-17, SHA-256 {'ab' * 32}"}
    assert configuration_hash(fitted) != configuration_hash(plain)


def test_a_scanner_with_a_threshold_of_its_own_is_answered_by_it() -> None:
    prediction = replace(NORMAL, score=0.3, model=FITTED)
    assert prediction.label == "Normal"
    assert prediction.for_scanner("Acme X1").label == "Pneumonia"
    assert prediction.for_scanner("ACME X1").label == "Pneumonia"
    assert prediction.for_scanner("another").label == "Normal"
    assert MODEL.for_scanner("Acme X1") == MODEL


def test_an_earlier_profile_keeps_a_threshold_for_each_spelling() -> None:
    site = replace(SITE_A, thresholds=(("ACME X1", 0.1), ("Acme X1", 0.2)))
    model = replace(MODEL, site=site)
    assert [model.for_scanner(name).threshold for name in ("ACME X1", "Acme X1")] == [0.1, 0.2]


def test_the_network_computes_with_the_sites_statistics(
    tmp_path: Path, state: State, images: np.ndarray
) -> None:
    profile_in(tmp_path, CARD, other(state))
    profile = read_profile(tmp_path, CARD)
    plain = Weighed(state, None, tmp_path, "")
    fitted = Weighed(profile.fit(state), None, tmp_path, "")
    chosen = [
        choose(lambda: plain, TORCH),
        choose(lambda: plain, TORCH, profile),
        choose(lambda: fitted, TORCH),
    ]
    shipped, by_profile, by_state = (each.model.engine.run(images).log_odds for each in chosen)
    np.testing.assert_array_equal(by_profile, by_state)
    assert np.abs(by_profile - shipped).min() > 0.01


def test_openvino_is_proven_with_the_profile_too(tmp_path: Path) -> None:
    card, model = read_model_shipped()
    profile_in(tmp_path, card, model.state)  # its reference answers are zeros
    predictor = Predictor.open(None, EngineRules("openvino", "float32", threads=1), profile=tmp_path)
    assert predictor.identity.engine == "PyTorch float32"
    assert "it differs from the reference answers" in str(predictor.notice)
    assert predictor.identity.threshold == 0.75
    assert predictor.identity.site is not None
    torch.set_num_threads(1)


def read_model_shipped() -> tuple[ModelCard, Weighed]:
    from gateway.model.predictor import SHIPPED

    return read_model(SHIPPED)


def test_a_threshold_of_the_settings_stands_above_the_profiles(tmp_path: Path) -> None:
    card, model = read_model_shipped()
    scanners = {"Acme X1": ScannerThreshold(threshold=0.3, images=20)}
    profile_in(tmp_path, card, model.state, scanners=scanners)
    predictor = Predictor.open(None, TORCH, threshold=0.6, profile=tmp_path)
    assert predictor.identity.for_scanner("Acme X1").threshold == 0.6
