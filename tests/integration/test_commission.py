"""`gateway commission` from a folder to an answer that states the site, with the shipped model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from gateway.model.profile import PROFILE_NAME
from gateway.model.reference import IMAGES
from tests.support.command_line import Done, run_command
from tests.support.sources import cr, encoded

CHESTS = 20


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hospital's folder: twenty computed chests and what is none, and four sick chests elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    with np.load(IMAGES) as archive:
        healthy, sick = archive["images"][0], archive["images"][1]
    write_chests(folder / "normal", healthy, CHESTS)
    write_chests(folder / "sick", sick, 4)
    copy = folder / "normal" / "00.png"
    (folder / "normal" / "copy.png").write_bytes(copy.read_bytes())
    for given in ("normal", "sick"):
        side = cr(ViewPosition="LL", PatientOrientation=["A", "F"])
        (folder / given / "side.dcm").write_bytes(encoded(side))
    give_one_patient_two_images(folder / "normal")
    return folder


def give_one_patient_two_images(folder: Path) -> None:
    """Make one of the chests a patient's second image; the model abstains on the first one."""
    chest = folder / "19.png"
    noise = np.random.default_rng(7).integers(0, 256, (64, 64), np.uint8)
    for name, pixels in (("19-1.dcm", noise), ("19-2.dcm", np.asarray(Image.open(chest)))):
        image = cr(pixels=pixels.astype(np.uint16) << 4, PatientID="P-19")
        (folder / name).write_bytes(encoded(image))
    chest.unlink()


def write_chests(folder: Path, chest: np.ndarray, count: int) -> None:
    """Write variants of a chest: other framings and exposures, other noise."""
    folder.mkdir()
    rng = np.random.default_rng(7)
    for number in range(count):
        top, left, bottom, right = rng.integers(0, 24, 4)
        rows, columns = chest.shape
        box = (left, top, columns - right, rows - bottom)
        framed = Image.fromarray(chest).resize((columns, rows), box=box)
        exposed = 255 * (np.asarray(framed) / 255) ** rng.uniform(0.9, 1.15) + rng.normal(0, 2, chest.shape)
        Image.fromarray(exposed.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02}.png")


def commission(site: Path, folder: Path, *options: Any) -> Done:
    words = ("commission", site / "normal", "--site", "St. Elsewhere", "--out", folder / "profile", *options)
    return run_command(
        *words, folder=folder, GATEWAY_DATA_DIR=str(folder / "var"), GATEWAY_MODEL__THREADS="1"
    )


def test_a_profile_is_made_put_to_use_and_stated(site: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = commission(site, tmp_path, "--sick", site / "sick", "--report", page, "--read-again")
    assert done.returncode == 0, done.stderr
    assert "copy.png: left out: copy of another image" in done.stderr
    assert "side.dcm: left out: lateral" in done.stderr
    assert "specificity: " in done.stdout
    profile = tmp_path / "profile"
    card = yaml.safe_load((profile / PROFILE_NAME).read_text())
    assert len(card["images"]["normal"]) == CHESTS
    assert card["left_out"] == {
        "lateral": 1,
        "copy of another image": 1,
        "the model abstains": 1,
        "lateral (given as sick)": 1,
    }
    assert card["after"]["specificity"]["whole"] == CHESTS
    text = page.read_text()
    assert "St. Elsewhere" in text
    assert card["sha256"] in text
    assert "http" not in text
    environment = {"GATEWAY_DATA_DIR": str(tmp_path / "var"), "GATEWAY_MODEL__PROFILE": str(profile)}
    image = tmp_path / "image.dcm"
    image.write_bytes(encoded(cr()))
    answered = run_command("predict", image, "--out", tmp_path / "results", folder=tmp_path, **environment)
    assert answered.returncode == 0, answered.stderr
    (report,) = [
        path.read_bytes()
        for path in (tmp_path / "results").rglob("*.dcm")
        if b"Site profile" in path.read_bytes()
    ]
    assert f"Site profile: St. Elsewhere, {card['made']}, SHA-256 {card['sha256']}".encode() in report


@pytest.mark.parametrize("damage", ["too few", "both", "taken", "no report", "on their side", "one path"])
def test_bad_input_is_refused_in_one_line_and_nothing_is_written(
    site: Path, tmp_path: Path, damage: str
) -> None:
    options: list[Any] = []
    given = site
    if damage == "too few":
        given = tmp_path / "given"
        write_chests_in(given / "normal", 19)
        told = "19 normal chests to use: a site profile needs at least 20"
    elif damage == "both":
        options, told = ["--sick", site / "normal"], "is given as normal, and as sick under the name"
    elif damage == "on their side":
        given = tmp_path / "given"
        lie_down(site / "normal", given / "normal")
        told = "0 normal chests to use: a site profile needs at least 20"
    elif damage == "one path":
        options, told = ["--report", tmp_path / "profile"], "is the folder of the profile: state another one"
    elif damage == "no report":
        options, told = ["--report", tmp_path], "exists: state another one by --report"
    else:
        (tmp_path / "profile").mkdir()
        told = "exists: state another one by --out"
    done = commission(given, tmp_path, *options)
    assert done.returncode == 1
    assert told in done.stderr.splitlines()[-1]
    assert "Warning" not in done.stderr
    assert not (tmp_path / "profile" / PROFILE_NAME).exists()


def write_chests_in(folder: Path, count: int) -> None:
    folder.parent.mkdir()
    write_chests(folder, np.full((60, 60), 99.0), count)


def lie_down(upright: Path, folder: Path) -> None:
    """Write the pictures of a folder turned by 90°: the model finds no two lungs side by side."""
    folder.mkdir(parents=True)
    for file in upright.glob("*.png"):
        Image.open(file).rotate(90, expand=True).save(folder / file.name)
