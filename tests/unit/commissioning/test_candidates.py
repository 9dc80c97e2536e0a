"""Frontal chests are used, one of each patient and no copies; every other image has its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from gateway.commissioning.candidates import as_inputs, decode_all, examine_headers, one_of_each_patient
from gateway.commissioning.commission import check_enough, check_some
from gateway.commissioning.given import Given
from gateway.errors import GatewayError
from gateway.imaging.eligibility import EligibilityRules
from tests.support.sources import cr, encoded

RULES = EligibilityRules()
SAMPLES = Path(__file__).parents[3] / "sample_dicoms"


def write(folder: Path, name: str, **overrides: Any) -> Given:
    path = folder / name
    path.write_bytes(encoded(cr(**{"PatientID": name, "ManufacturerModelName": "X1"} | overrides)))
    return Given(name, path)


def cut(given: Given) -> Given:
    """Cut a file in the middle, as a copy that was interrupted."""
    content = given.path.read_bytes()
    given.path.write_bytes(content[: len(content) // 2])
    return given


def picture(folder: Path, name: str, seed: int) -> Given:
    pixels = np.random.default_rng(seed).integers(0, 255, (60, 50), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return Given(name, folder / name)


def test_laterals_other_parts_and_what_is_no_image_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("no image")
    given = [
        write(tmp_path, "first chest"),
        write(tmp_path, "side", ViewPosition="LL", PatientOrientation=["A", "F"]),
        write(tmp_path, "knee", BodyPartExamined="KNEE"),
        Given("notes.md", tmp_path / "notes.md"),
        cut(write(tmp_path, "half")),
        picture(tmp_path, "picture.png", 1),
        Given("gone.png", tmp_path / "gone.png"),
        Given("1.2.3", Path(), "its file was deleted"),
    ]
    usable, left_out = examine_headers(given, RULES)
    assert [each.given.name for each in usable] == ["first chest", "picture.png"]
    assert dict(left_out) == {
        "side": "lateral",
        "knee": "not chest",
        "notes.md": "no DICOM, PNG or JPEG file",
        "half": "DICOM, but cut or damaged: cannot be read",
        "gone.png": "cannot be read: No such file or directory",
        "1.2.3": "its file was deleted",
    }
    assert usable[0].scanner.endswith("X1")


def test_one_image_of_each_patient_counts(tmp_path: Path) -> None:
    given = [
        write(tmp_path, "first chest"),
        write(tmp_path, "again", PatientID="first chest"),
        write(tmp_path, "other hospital", PatientID="first chest", IssuerOfPatientID="B"),
        picture(tmp_path, "1.png", 1),
        picture(tmp_path, "2.png", 2),
    ]
    first, left_out = one_of_each_patient(examine_headers(given, RULES)[0])
    assert [each.name for each in first] == ["first chest", "other hospital", "1.png", "2.png"]
    assert left_out == [("again", "another image of the same patient")]


def test_copies_are_used_once_and_the_order_of_files_decides_nothing(tmp_path: Path) -> None:
    given = [picture(tmp_path, f"{seed}.png", seed) for seed in (1, 2, 3, 1)]
    copy = picture(tmp_path, "copy.png", 2)
    usable, _ = examine_headers([*given[:3], copy], RULES)
    done: list[int] = []
    decoded = decode_all(usable, RULES, lambda: done.append(1))
    assert dict(decoded.left_out) == {"copy.png": "copy of another image"}
    assert len(done) == 4
    backwards = decode_all(usable[2::-1], RULES, lambda: None)
    assert [each.digest for each in backwards.used] == [each.digest for each in decoded.used]
    assert as_inputs(decoded.used).shape == (3, 3, 224, 224)
    assert decoded.used[0].key == decoded.used[0].digest


def radiograph(folder: Path, name: str, of: str) -> Given:
    """Write a sample's picture, by the suffix as PNG or as a smaller JPEG of low quality."""
    pixels = pydicom.dcmread(SAMPLES / f"{of}.dcm").pixel_array
    grey = Image.fromarray((pixels / pixels.max() * 255).astype(np.uint8))
    if name.endswith("png"):
        grey.save(folder / name)
    else:
        grey.resize((600, 600 * grey.height // grey.width)).save(folder / name, quality=50)
    return Given(name, folder / name)


def test_copies_in_another_compression_and_size_are_copies(tmp_path: Path) -> None:
    first, copy, other = (
        radiograph(tmp_path, "a.png", "dx_pa_normal"),
        radiograph(tmp_path, "b.jpg", "dx_pa_normal"),
        radiograph(tmp_path, "c.jpg", "dx_pa_consolidation"),
    )
    decoded = decode_all(examine_headers([first, copy, other], RULES)[0], RULES, lambda: None)
    assert decoded.left_out == [("b.jpg", "copy of another image")]
    assert {each.name for each in decoded.used} == {"a.png", "c.jpg"}


def test_a_damaged_image_has_a_reason(tmp_path: Path) -> None:
    given = picture(tmp_path, "half.png", 1)
    given.path.write_bytes(given.path.read_bytes()[:500])
    usable, _ = examine_headers([given], RULES)
    decoded = decode_all(usable, RULES, lambda: None)
    assert decoded.used == []
    assert dict(decoded.left_out) == {"half.png": "undecodable"}


def test_too_few_are_refused_with_every_image_that_was_left_out(tmp_path: Path) -> None:
    _, left_out = examine_headers(
        [write(tmp_path, "side", ViewPosition="LL", PatientOrientation=["A", "F"])], RULES
    )
    check_enough(20, 20, left_out)
    with pytest.raises(GatewayError) as refused:
        check_enough(19, 20, left_out)
    assert str(refused.value).splitlines() == [
        "side: left out: lateral",
        "19 normal chests to use: a site profile needs at least 20, better 50, each of another patient",
    ]


def test_sick_images_of_which_none_is_of_use_are_refused_with_their_reasons(tmp_path: Path) -> None:
    _, left_out = examine_headers([write(tmp_path, "knee", BodyPartExamined="KNEE")], RULES)
    check_some(0, 0, [])
    with pytest.raises(GatewayError) as refused:
        check_some(1, 0, left_out)
    assert str(refused.value).splitlines() == [
        "knee: left out: not chest",
        "no sick chest to use: give others, or none, and leave --sick out",
    ]
