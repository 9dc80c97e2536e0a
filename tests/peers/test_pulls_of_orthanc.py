"""The page of fetched studies, in Chromium, over studies that a real Orthanc gave by schedule and by hand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from pydicom.dataset import Dataset

from gateway.requestor.storage_scu import DicomNode
from tests.peers.chromium import chromium
from tests.peers.orthanc import AE_TITLE, PASSWORD, USER, Orthanc, running_orthanc
from tests.support.free_ports import free_port
from tests.support.gateway_process import PATIENCE_SECONDS, GatewayProcess, running, wait_for
from tests.support.sources import encoded, study_of_today

TOKEN = "a token of some length"


@dataclass
class Ward:
    """A gateway, the Orthanc that it asks, and the page in a browser."""

    gateway: GatewayProcess
    orthanc: Orthanc
    page: Page
    url: str

    def row(self, images: list[Dataset], source: str, state: str, fetched: str) -> Locator:
        """Return the row of a study, once the page shows it in that state with so many images fetched."""
        row = self.page.locator("tbody tr", has_text=str(images[0].StudyInstanceUID))

        def is_shown() -> bool:
            self.page.goto(f"{self.url}/pulls?source={source}")
            return row.count() == 1 and all(text in row.inner_text() for text in (state, fetched))

        wait_for(is_shown)
        return row


@pytest.fixture(scope="module", params=["get", "move"])
def ward(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("ward")
    port = free_port()
    with running_orthanc(folder / "orthanc") as orthanc:
        orthanc.introduce(DicomNode("CXR_GATEWAY", "127.0.0.1", port, "CXR_GATEWAY"), "gateway")
        pacs = {
            "name": "pacs", "kind": "dicom", "ae_title": AE_TITLE, "host": "127.0.0.1",
            "port": orthanc.dicom_port, "retrieve": request.param, "arrival_seconds": PATIENCE_SECONDS,
            "schedule": {"recent_every_seconds": 1},
        }  # fmt: skip
        web = {"name": "web", "kind": "dicomweb", "url": orthanc.url, "username": USER, "password": PASSWORD}
        settings = {
            "doubles": ["instant"],
            "scp": {"port": port},
            "sources": [pacs, web],
            "web": {"enabled": True, "port": 0, "token": TOKEN},
        }
        with chromium() as browser, running(folder, **settings) as gateway:
            url = wait_for(lambda: next((e["url"] for e in gateway.events("started") if "url" in e), None))
            page = browser.new_page(extra_http_headers={"Authorization": f"Bearer {TOKEN}"})
            yield Ward(gateway, orthanc, page, url)
            if pictures := os.environ.get("SCREENSHOTS"):
                page.goto(f"{url}/pulls")
                page.screenshot(path=Path(pictures) / f"pulls_{request.param}.png", full_page=True)


def test_the_page_shows_what_the_schedule_fetched_and_what_it_left_there(ward: Ward) -> None:
    chests, knee = study_of_today(2), study_of_today(BodyPartExamined="KNEE", SeriesDescription="Knee")
    for image in (*chests, *knee):
        ward.orthanc.upload(encoded(image))
    ward.row(chests, "pacs", "complete", "2/2")
    ward.row(knee, "pacs", "not wanted", "0/0")
    wait_for(lambda: len(ward.gateway.images("delivered")) >= 2)
    expect(ward.page.locator("main")).to_contain_text("pacs was searched")


def test_an_image_that_comes_after_its_study_was_complete_is_fetched_too(ward: Ward) -> None:
    first, second = study_of_today(2)
    ward.orthanc.upload(encoded(first))
    ward.row([first], "pacs", "complete", "1/1")
    ward.orthanc.upload(encoded(second))
    ward.row([first], "pacs", "complete", "2/2")


def test_a_study_older_than_the_schedule_looks_back_is_fetched_by_hand(ward: Ward) -> None:
    """The page says how far back the schedule looks, and the command that fetches the rest."""
    old = study_of_today(StudyDate="20250401")
    ward.orthanc.upload(encoded(old[0]))
    ward.page.goto(f"{ward.url}/pulls")
    expect(ward.page.locator("main")).to_contain_text("Studies of the last 3 days are looked for by schedule")
    for width in (390, 1280):
        ward.page.set_viewport_size({"width": width, "height": 800})
        assert ward.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    for source in ("web", "pacs"):
        done = ward.gateway.command("pull", "--from", source, "--date", "2025-04-01..2025-04-01")
        assert done.returncode == 0, done.stderr
        ward.row(old, source, "complete", "1/1")
    assert len(ward.gateway.versions(str(old[0].SOPInstanceUID))) == 1
