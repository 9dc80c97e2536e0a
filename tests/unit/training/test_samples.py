from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gateway.errors import ConfigurationError
from gateway.imaging.margins import inside_margins
from gateway.training.duplicates import without_copies
from gateway.training.pixels import load_pixels
from gateway.training.recipe import Recipe
from gateway.training.samples import Sample, check_split, find_samples

Radiographs = Callable[[Path, int, int], None]
STAGE = {"name": "s", "objective": "classify", "augmentation": "none", "samples": 1}
KERMANY = r"^(person\d+_(?:bacteria|virus)|(?:NORMAL2-)?IM-\d+)"


def recipe(root: Path, **source: Any) -> Recipe:
    classes = {"NORMAL": "Normal", "PNEUMONIA": "Pneumonia"}
    given = {"name": "a", "folder": ".", "classes": classes, "validation": 0.3, "heldout": 0.2} | source
    return Recipe.model_validate(
        {
            "name": "m",
            "version": "1",
            "root": root,
            "out": root / "out",
            "sources": [given],
            "augmentations": {"none": {}},
            "stages": [STAGE],
        }
    )


def test_a_patient_is_in_one_part_only(tmp_path: Path, radiographs: Radiographs) -> None:
    radiographs(tmp_path / "NORMAL", 60, 1)
    radiographs(tmp_path / "PNEUMONIA", 60, 2)
    samples = find_samples(recipe(tmp_path, patient=r"^(p\d+x\d+)"))
    check_split(samples)
    assert {sample.part for sample in samples} == {"train", "validation", "heldout"}
    assert len({sample.patient for sample in samples}) == 60
    assert samples == find_samples(recipe(tmp_path, patient=r"^(p\d+x\d+)"))


def test_a_split_patient_is_refused_with_both_files(tmp_path: Path, radiographs: Radiographs) -> None:
    radiographs(tmp_path / "NORMAL", 2, 1)
    radiographs(tmp_path / "PNEUMONIA", 2, 2)
    first, second, *_ = find_samples(recipe(tmp_path, patient=r"^(p\d+x\d+)"))
    parts = [replace(first, part="train"), replace(second, part="validation")]
    with pytest.raises(ConfigurationError, match=f"in two parts: {first.path}.*{second.path}"):
        check_split(parts)


@pytest.mark.parametrize(
    ("stem", "patient"),
    [
        ("person1000_bacteria_2931", "person1000_bacteria"),
        ("person1000_virus_1681", "person1000_virus"),
        ("IM-0115-0001", "IM-0115"),
        ("NORMAL2-IM-0587-0001-0002", "NORMAL2-IM-0587"),
    ],
)
def test_kermanys_names_tell_the_patient(tmp_path: Path, stem: str, patient: str) -> None:
    for folder, name in (("NORMAL", "IM-0001-0001"), ("PNEUMONIA", stem)):
        (tmp_path / folder).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / folder / f"{name}.jpeg")
    samples = find_samples(recipe(tmp_path, patient=KERMANY))
    assert samples[-1].patient == patient


def test_nothing_starts_without_both_classes(tmp_path: Path, radiographs: Radiographs) -> None:
    (tmp_path / "NORMAL").mkdir()
    with pytest.raises(ConfigurationError, match=f"no PNG or JPEG image in {tmp_path / 'NORMAL'}"):
        find_samples(recipe(tmp_path))
    (tmp_path / "NORMAL").rmdir()
    with pytest.raises(ConfigurationError, match=f"no folder {tmp_path / 'NORMAL'}"):
        find_samples(recipe(tmp_path))
    radiographs(tmp_path / "NORMAL", 2, 1)
    with pytest.raises(ConfigurationError, match="one class only"):
        find_samples(recipe(tmp_path, classes={"NORMAL": "Normal"}))
    with pytest.raises(ConfigurationError, match="has no patient"):
        find_samples(recipe(tmp_path, classes={"NORMAL": "Normal"}, patient="^person(.*)"))


def test_a_corrupt_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ConfigurationError, match=r"broken\.png is not a readable image"):
        load_pixels([tmp_path / "broken.png"], tmp_path / "cache", lambda *_: None)


def test_pixels_are_decoded_once(tmp_path: Path, radiographs: Radiographs) -> None:
    radiographs(tmp_path / "NORMAL", 3, 1)
    paths = sorted((tmp_path / "NORMAL").iterdir())
    decoded: list[tuple[int, int, str]] = []
    first = load_pixels(paths, tmp_path / "cache", lambda *told: decoded.append(told))
    again = load_pixels(paths, tmp_path / "cache", lambda *told: decoded.append(told))
    assert decoded == [(done, 3, "images decoded") for done in (1, 2, 3)]
    assert first.shape == (3, 224, 224)
    np.testing.assert_array_equal(first, again)
    assert again.flags.writeable  # as torch demands


def test_copies_are_found_whatever_was_done_to_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    one, two, three, four = (pattern(rng) for _ in range(4))
    noisy = np.clip(two + rng.normal(0, 4, two.shape), 0, 255).astype(np.uint8)
    larger = np.asarray(Image.fromarray(three).resize((260, 300)))
    pictures = {"1": one, "2": two, "3": three, "4 darker": (one * 0.7 + 10).astype(np.uint8)}
    pictures |= {"5 noisy": noisy, "6 larger": larger, "7": four}
    assert single(tmp_path, pictures) == ["1", "2", "3", "7"]


def test_a_copy_is_found_whose_margins_are_a_little_brighter(tmp_path: Path) -> None:
    inside = pattern(np.random.default_rng(0))
    bordered, brighter = (np.pad(inside, ((30, 0), (0, 40)), constant_values=grey) for grey in (5, 6))
    assert inside_margins(bordered) != inside_margins(brighter)
    assert single(tmp_path, {"first": bordered, "second": brighter}) == ["first"]


def test_blank_pictures_are_no_copies(tmp_path: Path) -> None:
    blank = np.full((224, 224), 9, np.uint8)
    pictures = {"a": pattern(np.random.default_rng(0)), "blank": blank, "blank too": blank + 1}
    assert single(tmp_path, pictures) == ["a", "blank", "blank too"]


def test_copies_of_both_classes_are_refused(tmp_path: Path) -> None:
    picture = Image.fromarray(pattern(np.random.default_rng(0)))
    picture.save(tmp_path / "a.png")
    picture.resize((150, 150)).save(tmp_path / "b.png")
    samples = [
        Sample(tmp_path / f"{name}.png", "made up", label, name, "train") for label, name in enumerate("ab")
    ]
    told = r"b\.png \(Pneumonia\) is a copy of .*a\.png \(Normal\): name the wrong one"
    with pytest.raises(ConfigurationError, match=told):
        without_copies(samples, tmp_path / "cache", lambda *_: None)


def test_a_source_of_copies_is_refused(tmp_path: Path) -> None:
    samples = []
    for number in (1, 2):
        picture = Image.fromarray(pattern(np.random.default_rng(number)))
        for source in ("a", "copied"):
            file = tmp_path / f"{source}{number}.png"
            picture.save(file)
            samples.append(Sample(file, source, 0, file.stem, "train" if source == "a" else "external"))
    with pytest.raises(
        ConfigurationError, match="every image of source copied is a copy of another source's"
    ):
        without_copies(samples, tmp_path / "cache", lambda *_: None)


def pattern(rng: np.random.Generator) -> NDArray[np.uint8]:
    coarse = Image.fromarray(rng.integers(0, 255, (9, 9), np.uint8))
    return np.asarray(coarse.resize((224, 224), Image.Resampling.BICUBIC))


def single(folder: Path, pictures: dict[str, NDArray[np.uint8]]) -> list[str]:
    """Return the names of those of the pictures that are no copies, in order."""
    for name, picture in pictures.items():
        Image.fromarray(picture).save(folder / f"{name}.png")
    samples = [Sample(folder / f"{name}.png", "made up", 0, name, "train") for name in pictures]
    return [sample.patient for sample in without_copies(samples, folder / "cache", lambda *_: None)]
