"""The committed samples: reproducible, complete, valid, nobody's."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydicom import dcmread

from gateway.imaging.decode import decode
from gateway.imaging.eligibility import EligibilityRules, eligibility
from gateway.records import Eligible, Reason

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "sample_dicoms"
EXPECTED: list[dict[str, Any]] = yaml.safe_load((FOLDER / "expected.yaml").read_text())
TAKEN = [entry for entry in EXPECTED if entry["state"] != "refused"]
ANSWERED = [entry for entry in EXPECTED if entry["state"] == "delivered"]
MEGABYTE = 1_000_000


def name_of(entry: dict[str, Any]) -> str:
    return str(entry["file"])


def test_the_generator_writes_the_committed_bytes(tmp_path: Path) -> None:
    names = ["dx_hand.dcm", "cr_pa_rle.dcm"]
    generate = [sys.executable, "-m", "sample_dicoms.generate", "--into", str(tmp_path), *names]
    subprocess.run(generate, cwd=ROOT, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    for name in names:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_expected_yaml_lists_every_file_once() -> None:
    assert sorted(map(name_of, EXPECTED)) == sorted(path.name for path in FOLDER.glob("*.dcm"))


def test_the_folder_stays_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.glob("*.*")) < 8 * MEGABYTE


def test_instances_have_uids_of_their_own() -> None:
    uids = [dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in FOLDER.glob("*.dcm")]
    assert len(set(uids)) == len(uids)
    assert all(uid.is_valid and uid.startswith("2.25.") for uid in uids)


@pytest.mark.parametrize("entry", TAKEN, ids=name_of)
def test_complete_objects_are_valid(entry: dict[str, Any]) -> None:
    dciodvfy = Path(sys.executable).with_name("dciodvfy")
    verdict = subprocess.run([dciodvfy, "-new", FOLDER / entry["file"]], capture_output=True, text=True)
    assert verdict.returncode == 0, verdict.stderr


@pytest.mark.parametrize("entry", EXPECTED, ids=name_of)
def test_nobody_is_named(entry: dict[str, Any]) -> None:
    ds = dcmread(FOLDER / entry["file"], stop_before_pixels=True)
    invented = entry["file"] == "cr_pa_japanese_name.dcm"  # the standard's own example, PS3.5 H.3.1
    assert (
        str(ds.PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
        if invented
        else "PHANTOM^" in ds.PatientName
    )
    assert ds.PatientID.startswith("PHANTOM-")
    assert ds.ReferringPhysicianName == ""


@pytest.mark.parametrize("entry", TAKEN, ids=name_of)
def test_the_header_leads_to_the_expected_state(entry: dict[str, Any]) -> None:
    verdict = eligibility(dcmread(FOLDER / entry["file"]), EligibilityRules())
    if entry["state"] == "delivered":
        assert verdict == Eligible("PA")
    else:
        assert not isinstance(verdict, Eligible)
        assert verdict.reason == Reason(entry["reason"])


@pytest.mark.parametrize("entry", ANSWERED, ids=name_of)
def test_the_picture_is_dark_in_the_lungs_and_bright_in_the_abdomen(entry: dict[str, Any]) -> None:
    """Whatever the coding and the polarity."""
    picture = decode(dcmread(FOLDER / entry["file"])).pixels / 65535
    rows, columns = picture.shape
    lung = picture[int(0.55 * rows) : int(0.6 * rows), int(0.78 * columns) : int(0.82 * columns)].mean()
    liver = picture[int(0.87 * rows) : int(0.92 * rows), int(0.25 * columns) : int(0.35 * columns)].mean()
    assert lung < 0.5 < 0.7 < liver


def test_the_truncated_one_lacks_pixels() -> None:
    ds = dcmread(FOLDER / "dx_pa_truncated.dcm")
    assert len(ds.PixelData) < ds.Rows * ds.Columns * 2
