"""An export gives the model's answers, says whose networks they are, and lies as servers want it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d

from gateway.errors import GatewayError
from gateway.export import export_model as module
from gateway.export.export_model import export_model
from gateway.export.formats import FORMATS
from gateway.export.images import computed_images
from gateway.export.networks import bands_of
from gateway.export.parity import Parity
from gateway.export.repository import network_file
from gateway.model.card import read_card
from gateway.model.predictor import SHIPPED
from gateway.remote.contract import classifier, lung_network


@pytest.fixture(scope="module", params=["openvino", "torchscript", "onnx"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    if request.param == "onnx":
        pytest.importorskip("onnxscript", reason="the extra export is not installed")
        pytest.importorskip("onnxruntime", reason="the extra export is not installed")
    folder = tmp_path_factory.mktemp(request.param) / "repository"
    export_model(None, None, request.param, folder, images=4)
    return request.param, folder


def metadata_of(format_name: str, file: Path) -> dict[str, str]:
    """Return the metadata within a file."""
    if format_name == "onnx":
        import onnx

        return {each.key: each.value for each in onnx.load(file).metadata_props}
    if format_name == "openvino":
        import openvino as ov

        graph = ov.Core().read_model(file)
        keys = ("model", "model_version", "weights_sha256", "lungs_sha256")
        return {key: graph.get_rt_info(["model_info", key]).astype(str) for key in keys}
    extra = {"metadata.json": ""}
    torch.jit.load(file, _extra_files=extra)  # type: ignore[no-untyped-call]
    return json.loads(extra["metadata.json"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_export_says_whose_networks_it_holds_and_how_near_they_are(exported: tuple[str, Path]) -> None:
    format_name, folder = exported
    card = read_card(SHIPPED / "model.yaml")
    expected = {"model": card.name, "model_version": card.version, "weights_sha256": card.weights.sha256}
    expected["lungs_sha256"] = card.lungs.sha256
    about = json.loads((folder / "export.json").read_text())
    assert about.items() >= expected.items()
    for figures in about["parity"].values():
        assert figures["probability"] <= 1e-4
        assert figures["other_answers"] == 0
    assert [each["images"] for each in about["parity"].values()] == [4, 4]
    for network in (classifier(), lung_network()):
        file = network_file(folder, network, 1, FORMATS[format_name])
        assert metadata_of(format_name, file).items() >= expected.items()


def test_an_export_lies_as_servers_want_it(exported: tuple[str, Path]) -> None:
    format_name, folder = exported
    listed = json.loads((folder / "config.json").read_text())["model_config_list"]
    names = [each["config"]["base_path"] for each in listed]
    assert names == ["cxr-classifier", "cxr-lungs"]
    for name in names:
        config = (folder / name / "config.pbtxt").read_text()
        assert f'name: "{name}"' in config
        assert config.count("{") == config.count("}")
    outputs = "activation__0" if format_name == "torchscript" else "activation"
    assert (
        f'name: "{outputs}" data_type: TYPE_FP32 dims: [ 7, 7 ]'
        in (folder / names[0] / "config.pbtxt").read_text()
    )


def test_the_number_of_images_is_free(exported: tuple[str, Path]) -> None:
    format_name, folder = exported
    format_ = FORMATS[format_name]
    run = format_.run(lung_network(), network_file(folder, lung_network(), 1, format_))
    for count in (1, 3):
        assert run(np.zeros((count, 1, 112, 112), np.float32))["lungs"].shape == (count, 112, 112)


def test_an_export_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    differs = Parity(4, 0.01, 0.1, 0.0, 0.0, 0.0, 1)
    monkeypatch.setattr(module, "compare_export", lambda *_: {"reference images": differs})
    with pytest.raises(GatewayError, match=r"differ on the reference images by 0\.01"):
        export_model(None, None, "openvino", tmp_path / "repository")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    with pytest.raises(GatewayError, match="is not empty"):
        export_model(None, None, "openvino", tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("side", [28, 14, 7])
def test_bands_are_those_of_adaptive_pooling(side: int) -> None:
    x = torch.rand(2, 5, side, side)
    rows = torch.matmul(x.mean(dim=3), torch.from_numpy(bands_of(side)))
    assert torch.allclose(rows, adaptive_avg_pool2d(x, (3, 1))[..., 0], atol=1e-6)


def test_computed_images_are_inputs_and_the_same_each_time() -> None:
    images = computed_images(6)
    assert images.shape == (6, 3, 224, 224)
    assert np.abs(images).max() <= 1
    assert (images == computed_images(6)).all()
    assert len({each.tobytes() for each in images}) == 6
