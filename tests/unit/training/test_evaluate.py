from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gateway.errors import ConfigurationError
from gateway.model.choice import EngineRules
from gateway.training.evaluation.dataset import find_labelled, load_input, subgroup_of
from gateway.training.evaluation.evaluate import evaluate
from gateway.training.evaluation.measure import load_batches

Radiographs = Callable[[Path, int, int], None]


@pytest.mark.parametrize(
    ("normal", "pneumonia"),
    [("NORMAL", "PNEUMONIA"), ("Normal/images", "COVID/images"), ("Normal", "Pneumonia")],
)
def test_published_layouts_are_recognised(
    tmp_path: Path, radiographs: Radiographs, normal: str, pneumonia: str
) -> None:
    radiographs(tmp_path / normal, 3, 1)
    radiographs(tmp_path / pneumonia, 2, 2)
    assert [image.label for image in find_labelled(tmp_path)] == [0, 0, 0, 1, 1]


def test_other_layouts_are_told(tmp_path: Path, radiographs: Radiographs) -> None:
    radiographs(tmp_path / "well", 1, 1)
    radiographs(tmp_path / "ill", 1, 2)
    with pytest.raises(ConfigurationError, match="needs sub-folders of both classes"):
        find_labelled(tmp_path)
    found = find_labelled(tmp_path, {"well": "Normal", "ill": "Pneumonia"})
    assert [image.subgroup for image in found] == ["Normal", "Pneumonia"]


@pytest.mark.parametrize("way", ["folder", "link", "copy"])
def test_an_image_is_of_one_class(tmp_path: Path, radiographs: Radiographs, way: str) -> None:
    radiographs(tmp_path / "NORMAL", 2, 1)
    image = sorted((tmp_path / "NORMAL").iterdir())[0]
    if way == "folder":
        (tmp_path / "PNEUMONIA").symlink_to("NORMAL")
    else:
        radiographs(tmp_path / "PNEUMONIA", 2, 2)
        other = tmp_path / "PNEUMONIA" / f"other{image.suffix}"
        other.symlink_to(image) if way == "link" else other.write_bytes(image.read_bytes())
    with pytest.raises(ConfigurationError, match=r"is the same file as .*of the other class: take one away"):
        find_labelled(tmp_path)


@pytest.mark.parametrize(
    ("name", "group"),
    [("person1_bacteria_2.jpeg", "bacterial"), ("person3_virus_4.jpeg", "viral"), ("IM-0001.jpeg", "Normal")],
)
def test_kermanys_names_tell_the_subgroup(name: str, group: str) -> None:
    assert subgroup_of(Path(name), "Normal") == group


def test_a_damaged_image_is_named(tmp_path: Path, radiographs: Radiographs, state_dict_file: Path) -> None:
    radiographs(tmp_path / "NORMAL", 1, 1)
    radiographs(tmp_path / "PNEUMONIA", 1, 2)
    (tmp_path / "PNEUMONIA" / "worse.dcm").write_bytes(b"<html>not found</html>")
    with pytest.raises(ConfigurationError, match=r"worse\.dcm is not a readable image"):
        evaluate(state_dict_file, tmp_path, rules=EngineRules(device="cpu"))


def test_batches_keep_order_and_number(tmp_path: Path, radiographs: Radiographs) -> None:
    radiographs(tmp_path / "NORMAL", 19, 1)
    paths = sorted((tmp_path / "NORMAL").iterdir())
    batches = list(load_batches(paths))
    assert [len(batch) for batch in batches] == [16, 3]
    np.testing.assert_array_equal(batches[1][2], load_input(paths[18]))


def test_figures_of_any_model_on_any_folder(
    tmp_path: Path, radiographs: Radiographs, state_dict_file: Path
) -> None:
    radiographs(tmp_path / "NORMAL", 2, 1)
    radiographs(tmp_path / "PNEUMONIA", 3, 2)
    told: list[tuple[int, int, str]] = []
    figures = evaluate(
        state_dict_file, tmp_path, rules=EngineRules(device="cpu"), progress=lambda *now: told.append(now)
    )
    assert told[-1] == (5, 5, "images measured")
    assert sum(figures["confusion"].values()) == figures["images"] == 5
    right = figures["confusion"]["true positive"] + figures["confusion"]["true negative"]
    assert figures["accuracy"]["value"] == pytest.approx(right / 5)
    assert figures["abstained"] is None
    before, after = (figures["calibration"][when]["value"] for when in ("before", "after"))
    assert before == pytest.approx(after)
