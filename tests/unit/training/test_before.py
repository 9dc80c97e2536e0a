"""What a recipe names is examined before any image is decoded for training, and refused in one line."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from gateway.errors import ConfigurationError, GatewayError
from gateway.model.predictor import SHIPPED
from gateway.training.train import train

Radiographs = Callable[[Path, int, int], None]
CLASSES = {"NORMAL": "Normal", "PNEUMONIA": "Pneumonia"}
STAGE = {"name": "one", "objective": "classify", "augmentation": "some", "size": 32, "batch": 4, "samples": 8}
HOME = {"name": "home", "folder": "data", "classes": CLASSES, "validation": 0.25}
CONTENT: dict[str, Any] = {
    "name": "tiny",
    "version": "1",
    "device": "cpu",
    "sources": [HOME],
    "augmentations": {"some": {}},
    "stages": [STAGE],
    "test": {"name": "test", "folder": "test", "classes": CLASSES},
}


@pytest.fixture
def home(tmp_path: Path, radiographs: Radiographs) -> Path:
    """Ten images of each class to train by, and two to test by."""
    for folder, count in (("data", 10), ("test", 2)):
        for seed, name in enumerate(CLASSES):
            radiographs(tmp_path / folder / name, count, 10 * count + seed)
    return tmp_path


def refused(home: Path, *only: str, **change: Any) -> str:
    """Return the line by which a training is refused; nothing may have been trained."""
    recipe = home / "train.yaml"
    content = CONTENT | {"root": str(home), "out": str(home / "out")} | change
    recipe.write_text(yaml.safe_dump(content))
    with pytest.raises(GatewayError) as error:
        train(recipe, lambda *_: None, only)
    (line,) = str(error.value).splitlines()
    assert not (home / "out" / "one").exists()
    return line


def again(**keys: Any) -> list[dict[str, Any]]:
    return [HOME, HOME | {"name": "again", "validation": 0.5, "external": True} | keys]


def test_a_patient_is_on_one_side_also_where_two_sources_share_a_folder(home: Path) -> None:
    """As where a hospital's PA and AP images are two tables: each source has its own split."""
    files = sorted((home / "data" / "NORMAL").iterdir()) + sorted((home / "data" / "PNEUMONIA").iterdir())
    sources = []
    for half, validation in ((0, 0.0), (1, 0.9)):
        lines = [
            f"{file.relative_to(home / 'data')},p{i // 2},some,{int(i > 9)}"
            for i, file in enumerate(files)
            if i % 2 == half
        ]
        (home / f"{half}.csv").write_text("\n".join(["file,patient,label,pneumonia", *lines]))
        table = {"name": f"half {half}", "folder": "data", "table": f"{half}.csv", "validation": validation}
        sources.append(table)
    told = refused(home, sources=sources)
    assert told.startswith("patient p")
    assert "(half 0, train)" in told
    assert "(half 1, validation)" in told


@pytest.mark.parametrize("folder", ["./data", "data/../data", "linked", "data/NORMAL/../../data"])
def test_a_source_is_known_by_whichever_path_it_is_given(home: Path, folder: str) -> None:
    (home / "linked").symlink_to("data")
    line = refused(home, sources=again(folder=folder))
    assert "is in source home (Normal, " in line
    assert "and in source again (Normal, " in line
    assert "an image has one place; take it out of the other" in line


def test_a_folder_of_another_source_is_no_source_of_its_own(home: Path) -> None:
    sources = [HOME, {"name": "inner", "folder": "data/NORMAL", "classes": {".": "Normal"}}]
    assert "and in source inner (Normal, " in refused(home, sources=sources)


def test_one_image_is_of_one_class(home: Path) -> None:
    sources = [HOME | {"classes": CLASSES | {"./NORMAL": "Pneumonia"}}]
    line = refused(home, sources=sources)
    assert "source home (Pneumonia, " in line
    assert "source home (Normal, " in line


def test_linked_images_are_the_images(home: Path) -> None:
    (home / "links").mkdir()
    for path in sorted((home / "data" / "PNEUMONIA").iterdir())[:2]:
        (home / "links" / path.name).symlink_to(path)
    sources = [HOME, {"name": "inner", "folder": "links", "classes": {".": "Normal"}}]
    assert "and in source inner (Normal, " in refused(home, sources=sources)


def test_the_test_set_is_apart(home: Path) -> None:
    inside = {"name": "test", "folder": "data", "classes": CLASSES}
    assert refused(home, test=inside).endswith(
        "and in the test set: an image has one place; take it out of the other"
    )
    nested = {
        "name": "test",
        "folder": ".",
        "classes": {"test/NORMAL": "Normal", "data/PNEUMONIA": "Pneumonia"},
    }
    assert "and in the test set" in refused(home, test=nested)


def test_copies_of_test_images_are_found_by_what_they_show(home: Path) -> None:
    tested = sorted((home / "test" / "NORMAL").iterdir())[0]
    with Image.open(tested) as image:
        image.convert("L").resize((160, 120)).save(home / "data" / "PNEUMONIA" / "other.png")
    line = refused(home)
    assert "other.png (source home) is a copy of the test image" in line
    assert "name it in the source's left_out" in line


def test_the_detector_is_measured_on_other_images(home: Path) -> None:
    name = sorted(path.name for path in (home / "data" / "NORMAL").iterdir())[0]
    (home / "other.csv").write_text(f"file,label,pneumonia,patient\n{name},CXR,,\n")
    detector = {"name": "d", "folder": "data/NORMAL", "table": "other.csv", "frontal": ["CXR"]}
    assert "and in detector d: an image has one place" in refused(home, detector=[detector])
    (home / "other.csv").write_text(f"file,label,pneumonia,patient\n{name},CXR,,\n{name},CXR,,\n")
    (home / "more").mkdir()
    Image.new("L", (9, 9)).save(home / "more" / name)
    assert "is in detector d twice" in refused(home, detector=[detector | {"folder": "more"}])


def test_batches_and_validation_hold_both_classes(home: Path) -> None:
    unlike = [HOME | {"weights": {"Normal": 1, "Pneumonia": 100}}]
    line = refused(home, sources=unlike)
    assert line.startswith("stage one: a batch of 4 images has none of source home, Normal: raise the batch")
    assert "no image of Normal is in the validation part" in refused(
        home, sources=[HOME | {"validation": 1e-6}]
    )
    only = [HOME | {"validation": 1.0}]
    assert refused(home, sources=only).startswith(
        "stage one: the training part holds images of one class only"
    )


def test_a_stage_alone_needs_those_before_it(home: Path) -> None:
    later = STAGE | {"name": "two", "start": "one"}
    line = refused(home, "two", stages=[STAGE, later])
    assert line == "stage two needs stage one: train that first"


def test_weights_are_tried_before_images(home: Path, tmp_path: Path) -> None:
    (home / "test" / "NORMAL" / "broken.png").write_bytes(b"no picture")
    line = refused(home, lungs={"weights": str(SHIPPED / "model.safetensors")})
    assert "model.safetensors is not a lung network of this version" in line
    line = refused(home, lungs={"weights": str(tmp_path / "none.safetensors")})
    assert "none.safetensors cannot be read: No such file or directory" in line
    assert "broken.png is not a readable image" in refused(home)


def test_weights_that_are_no_numbers_start_no_training(home: Path) -> None:
    network = {"conv1.weight": torch.full((64, 3, 7, 7), torch.nan)}
    save_file(network, home / "start.safetensors")
    line = refused(home, stages=[STAGE | {"start": str(home / "start.safetensors")}])
    assert "start.safetensors holds values that are no numbers, in conv1.weight" in line


def test_the_output_folder_is_tried_first(home: Path) -> None:
    (home / "file").write_text("")
    line = refused(home, out=str(home / "file" / "out"), sources=[HOME | {"folder": "nowhere"}])
    assert line.endswith("file is no folder; name another one by out in the recipe")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_an_output_folder_that_cannot_be_written_is_refused(home: Path) -> None:
    (home / "kept").mkdir(mode=0o500)
    assert "this user cannot write to" in refused(home, out=str(home / "kept" / "out"))


def test_the_device_is_tried_first(home: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "cuda" in refused(home, device="cuda", sources=[HOME | {"folder": "nowhere"}])


def lungs(folder: Path, name: str, boxes: list[tuple[int, ...]]) -> None:
    """Write an image and a mask that shows ellipses in boxes, in pixels of 224."""
    mask = Image.new("L", (224, 224))
    for box in boxes:
        ImageDraw.Draw(mask).ellipse(box, fill=255)
    grey = np.random.default_rng(len(name)).integers(0, 255, (224, 224), np.uint8)
    for part, picture in (("images", Image.fromarray(grey)), ("masks", mask)):
        (folder / part).mkdir(exist_ok=True)
        picture.save(folder / part / f"{name}.png")


UPRIGHT = [(40, 50, 100, 180), (125, 50, 185, 180)]
MASKS = {"name": "drawn", "masks": "masks", "images": "images", "pattern": "^(.+)$", "validation": 0.4}


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    for i in range(6):
        lungs(tmp_path, f"p{i}", UPRIGHT)
    return tmp_path


def refused_lungs(folder: Path, **change: Any) -> str:
    content = {
        "kind": "lungs", "name": "tiny", "version": "1", "root": str(folder), "out": str(folder / "out"),
        "device": "cpu", "masks": [MASKS], "augmentation": {},
        "stage": STAGE | {"objective": "segment", "augmentation": ""},
    }  # fmt: skip
    path = folder / "lungs.yaml"
    path.write_text(yaml.safe_dump(content | change))
    with pytest.raises(ConfigurationError) as error:
        train(path, lambda *_: None)
    (line,) = str(error.value).splitlines()
    assert not (folder / "out").exists()
    return line


@pytest.mark.parametrize(
    ("boxes", "reason"),
    [
        ([], "no lungs were found in the image"),
        (UPRIGHT[:1], "a lung was found on one side alone"),
        ([(50, 40, 180, 100), (50, 125, 180, 185)], "the lungs found do not lie side by side"),
        ([(-400, -400, 700, 700)], "the lungs found cover 100 % of the image"),
    ],
    ids=["empty", "one-sided", "lying", "all"],
)
def test_masks_show_two_lungs_side_by_side(masks: Path, boxes: list[tuple[int, ...]], reason: str) -> None:
    lungs(masks, "p9", boxes)
    line = refused_lungs(masks)
    assert f"p9.png does not show two lungs side by side, white on black ({reason})" in line


def test_an_image_with_lungs_is_given_once(masks: Path) -> None:
    assert "is in drawn (masks" in refused_lungs(masks, masks=[MASKS, MASKS | {"name": "again"}])
    (masks / "other.csv").write_text("file,label,pneumonia,patient\np1.png,knee,,\n")
    other = {"name": "other", "folder": "images", "table": "other.csv"}
    assert "and in other (without lungs" in refused_lungs(masks, without_lungs=[other])
    assert "and in images (looks)" in refused_lungs(masks, looks=["./images"])


def test_masks_are_named_measured_and_trained_with(masks: Path) -> None:
    line = refused_lungs(masks, masks=[MASKS | {"pattern": "^jsrt_(.+)$"}])
    assert "has a name by '^jsrt_(.+)$': correct the pattern of drawn" in line
    assert "left to be measured on: raise validation" in refused_lungs(
        masks, masks=[MASKS | {"validation": 0}]
    )
    assert "left to be trained with: lower validation" in refused_lungs(
        masks, masks=[MASKS | {"validation": 1}]
    )
