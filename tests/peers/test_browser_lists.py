"""Lists in Chromium: priors, many images at once, downloads, uploads of several files, fetched studies."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect
from pydicom import dcmread

from gateway.settings import Settings
from gateway.store.entries import FoundInstance, FoundStudy
from gateway.store.opening import open_database
from gateway.store.pulls import Pulls
from tests.conftest import Find
from tests.peers.axe import LEVEL_A, LEVEL_AA, violations
from tests.peers.chromium import chromium
from tests.peers.test_browser import SAMPLE, SMALL, TOKEN, Room
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, running, wait_for

NARROW = {"width": 800, "height": 900}
STUDIES = {  # number: date, Patient ID, name, issuer
    1: ("20240105", "P-77", "Doe^Jane", "ELSEWHERE"),
    2: ("20250106", "P-77", "Doe^Jane", "WARD"),
    3: ("20250707", "P-78", "Doe^Jane", "WARD"),  # a homonym
    4: ("20260108", "P-77", "Doe^Jane^Married", "WARD"),
}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, dcmtk: Find) -> Iterator[Room]:
    """A reading room over a gateway whose PACS and whose source are away, with four studies."""
    folder = tmp_path_factory.mktemp("lists")
    away = {"kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": free_port()}
    settings = {
        "web": {"enabled": True, "port": 0, "token": TOKEN},
        "destinations": [away | {"name": "pacs"}],
        "routes": [{"calling_ae_title": "*", "to": ["pacs"]}],
        "delivery": {"first_retry_seconds": 0.1, "longest_retry_seconds": 0.1, "give_up_after_hours": 0.0001},
        "sources": [away | {"name": "archive"}],
    }
    wanted = os.environ.get("SCREENSHOTS")
    with chromium() as browser, running(folder, **settings) as gateway:
        url = wait_for(lambda: next((e["url"] for e in gateway.events("started") if "url" in e), None))
        files = [_study(folder, number) for number in STUDIES]
        node = gateway.node
        title = ["-aec", node.ae_title, node.host, str(node.port)]
        subprocess.run([dcmtk("storescu"), *title, *files], check=True, timeout=PATIENCE_SECONDS)
        wait_for(lambda: len(gateway.images("failed")) == len(STUDIES))
        yield Room(gateway, browser, url, 0, Path(wanted) if wanted else None, [])


def _study(folder: Path, number: int) -> Path:
    ds = dcmread(SAMPLE)
    ds.StudyDate, ds.PatientID, ds.PatientName, ds.IssuerOfPatientID = STUDIES[number]
    ds.StudyInstanceUID, ds.SeriesInstanceUID = f"1.2.826.{number}", f"1.2.826.{number}.1"
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = _uid(number)
    path = folder / f"{number}.dcm"
    ds.save_as(path)
    return path


def _uid(number: int) -> str:
    return f"1.2.826.{number}.1.1"


@pytest.fixture
def page(room: Room) -> Iterator[Page]:
    room.problems.clear()
    page = room.page()
    yield page
    page.context.close()
    assert room.problems == []


def looks_right(room: Room, page: Page, name: str) -> None:
    """Measure a page by axe-core, and look whether it fits, at two widths."""
    for size in (SMALL, NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        room.picture(page, f"{name}_{size['width']}", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), size
    assert violations(page, LEVEL_A + LEVEL_AA) == []
    page.set_viewport_size(SMALL)  # type: ignore[arg-type]


def test_the_prior_of_the_same_id_and_issuer_stands_beside_the_image(room: Room, page: Page) -> None:
    page.goto(f"{room.url}/instances/{_uid(4)}")
    page.click("text=priors")
    sides = page.locator(".beside section")
    expect(sides).to_have_count(2)
    expect(sides.nth(0)).to_contain_text("2026-01-08")
    expect(sides.nth(1)).to_contain_text("2025-01-06")
    for picture in page.locator(".layers .ground").all():
        wait_for(lambda picture=picture: picture.evaluate("image => image.naturalWidth > 0"))
    page.locator("#opacity").focus()
    page.keyboard.press("End")
    assert page.locator(".activation").first.evaluate("map => map.style.opacity") == "1"
    text = page.content()
    assert _uid(2) in text
    assert _uid(1) not in text  # the same ID of another issuer
    assert _uid(3) not in text  # the same name with another ID
    assert "Jane" not in text
    looks_right(room, page, "priors")


def test_ticked_images_begin_anew_and_ticks_outlast_the_renewal(room: Room, page: Page) -> None:
    page.goto(room.url)
    ticks = page.locator(".tick")
    expect(ticks).to_have_count(len(STUDIES))
    before = len(room.gateway.events("retried"))
    for number in (0, 2):
        ticks.nth(number).check()
    expect(page.locator("#ticked")).to_have_text("2 chosen:")
    page.evaluate("document.getElementById('list').dataset.old = 'yes'")
    assert room.gateway.command("retry", _uid(1)).returncode == 0  # the list renews itself
    expect(page.locator("#list[data-old]")).to_have_count(0)
    expect(page.locator(".tick:checked")).to_have_count(2)
    wait_for(lambda: len(room.gateway.images("failed")) == len(STUDIES))
    looks_right(room, page, "worklist")
    page.click("#bulk-retry")
    expect(page.locator("main")).to_contain_text("2 of 2 have failed")
    looks_right(room, page, "bulk")
    page.click("#confirm")
    expect(page.locator("[role=status]")).to_contain_text("4 results")
    wait_for(lambda: len(room.gateway.events("retried")) == before + 3)
    (told,) = room.gateway.events("bulk_retried")
    assert (told["reader"], told["images"]) == ("token", 2)
    wait_for(lambda: len(room.gateway.images("failed")) == len(STUDIES))


def test_the_list_and_a_study_are_downloaded(room: Room, page: Page) -> None:
    page.goto(f"{room.url}/?state=failed")
    with page.expect_download() as table:
        page.click("text=CSV")
    content = Path(table.value.path()).read_bytes().decode()
    rows = list(csv.DictReader(io.StringIO(content, newline="")))
    assert {row["sop_instance_uid"] for row in rows} == set(map(_uid, STUDIES))
    page.goto(f"{room.url}/instances/{_uid(4)}")
    with page.expect_download() as study:
        page.click("text=Study as ZIP")
    archive = ZipFile(study.value.path())
    manifest = json.loads(archive.read("manifest.json"))
    assert [each["kind"] for each in manifest["files"]] == ["source", "sr", "sc"]
    assert all(dcmread(io.BytesIO(archive.read(each["name"]))) for each in manifest["files"])


_LAY_A_MAP = """() => {  // an image as small as this one may have no answer, and no map
  const ground = document.querySelector(".ground");
  if (ground.parentElement.querySelector(".activation")) return;
  const map = ground.cloneNode();
  map.className = "activation";
  ground.after(map);
}"""


def test_several_files_are_answered_each_with_its_map_and_results(
    room: Room, page: Page, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    shutil.copy(SAMPLE, folder / "a.dcm")
    shutil.copy(SAMPLE.with_name("dx_pa_normal.dcm"), folder / "b.dcm")
    (folder / "readme.txt").write_text("no image")
    page.goto(f"{room.url}/upload")
    looks_right(room, page, "upload_empty")
    page.set_input_files("#folder", folder)
    expect(page.locator("#progress")).to_have_text("2 of 3 answered, 1 without an answer. Done.")
    room.problems.clear()  # the browser's own line about the refused file
    cards = page.locator(".answer-card")
    expect(cards.filter(has_text="readme.txt")).to_contain_text("send a PNG, JPEG or DICOM")
    first = cards.filter(has_text="a.dcm")
    expect(first.locator(".label")).to_have_text("Pneumonia")
    assert first.locator(".activation").evaluate("image => image.naturalWidth") == 448
    looks_right(room, page, "upload")
    with page.expect_download() as report:
        first.get_by_role("button", name="Download the SR").click()
    assert dcmread(report.value.path()).Modality == "SR"
    assert len(room.gateway.images()) == len(STUDIES)  # nothing was kept


def test_the_banner_on_a_small_picture_is_whole_and_its_map_lies_on_it(
    room: Room, page: Page, tmp_path: Path
) -> None:
    file = tmp_path / "small.png"
    grey = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    Image.fromarray(grey).save(file)
    page.goto(f"{room.url}/upload")
    page.set_input_files("#file", file)
    page.get_by_role("button", name="Ask", exact=True).click()
    card = page.locator(".answer-card")
    expect(card.locator(".ground")).to_be_visible()
    box, banner = card.locator(".layers").bounding_box(), card.locator(".burned").bounding_box()
    assert box
    assert banner
    assert banner["y"] + banner["height"] <= box["y"] + box["height"]
    looks_right(room, page, "upload_small")
    page.evaluate(_LAY_A_MAP)
    assert card.locator(".activation").bounding_box() == card.locator(".ground").bounding_box()


def test_fetched_studies_are_shown_and_asked_for_again(room: Room, page: Page) -> None:
    settings = Settings(data_dir=room.gateway.data_dir)
    engine, ledger = open_database(settings)
    pulls = Pulls(ledger)
    for number, attempts in ((1, 5), (8, 1), (9, 5)):
        pulls.record_found("archive", [FoundStudy(f"1.2.826.{number}", "20260101", ("DX",), 1)])
        pull = pulls.claim("archive", f"1.2.826.{number}")
        assert pull is not None
        pulls.record_listed(pull, [FoundInstance(_uid(number), f"1.2.826.{number}.1")])
        problem = "0xA801: the source does not know CXR_GATEWAY"
        pulls.settle(pull, problem, is_listed=True, most_attempts=attempts, first_retry_seconds=60)
    engine.dispose()
    page.goto(room.url)
    page.click("nav >> text=Fetched")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.click("text=Missing images >> nth=0")
    looks_right(room, page, "pulls")
    page.select_option("[name=state]", "given_up")
    page.click("text=Show >> nth=0")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.click("tbody >> text=Ask again")
    expect(page.locator("main")).to_contain_text("No study is in this state")
    (told,) = room.gateway.events("study_asked_again")
    assert told["study_instance_uid"] == "1.2.826.8"
