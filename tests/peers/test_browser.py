"""The pages in Chromium, over a running gateway: from the arrival of an image to a retried delivery."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import dcmread
from pydicom.uid import generate_uid

from benchmarks.dcmtk import storescp
from gateway.errors import GatewayError
from gateway.requestor.storage_scu import echo
from gateway.web.pages.templates import PRIVATE
from tests.peers.axe import LEVEL_AA, LEVELS, violations
from tests.peers.chromium import chromium
from tests.support.free_ports import free_port
from tests.support.gateway_process import ROOT, GatewayProcess, running, wait_for

SAMPLE = ROOT / "sample_dicoms" / "dx_pa_consolidation.dcm"
SMALL, LARGE = {"width": 1280, "height": 800}, {"width": 1920, "height": 1080}
PAGES = [path for path, _ in PRIVATE]
TOKEN = "a token of some length"


@dataclass
class Room:
    """A reading room: a gateway whose PACS is away, and somebody in front of a browser."""

    gateway: GatewayProcess
    browser: Browser
    url: str
    pacs_port: int
    pictures: Path | None
    problems: list[str]

    def page(self, size: dict[str, int] = SMALL) -> Page:
        """Open a tab that is signed in; what the browser complains about is noted."""
        context = self.browser.new_context(
            viewport=size,  # type: ignore[arg-type]
            extra_http_headers={"Authorization": f"Bearer {TOKEN}"},
        )
        page = context.new_page()
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        return page

    def picture(self, page: Page, name: str, *, full_page: bool = False) -> None:
        """Keep a screenshot where SCREENSHOTS names a folder: to draw one takes a second."""
        if self.pictures:
            page.screenshot(path=self.pictures / f"{name}.png", full_page=full_page)


@pytest.fixture
def room(one_room: Room) -> Iterator[Room]:
    """The room, whose tabs are closed after each test: an open page asks for news for ever."""
    yield one_room
    for context in one_room.browser.contexts:
        context.close()


@pytest.fixture(scope="module")
def one_room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("room")
    pacs = {"name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": free_port()}
    settings = {
        "web": {"enabled": True, "port": 0, "token": TOKEN},
        "destinations": [pacs],
        "routes": [{"calling_ae_title": "*", "to": ["pacs"]}],
        "delivery": {"first_retry_seconds": 0.1, "longest_retry_seconds": 0.1, "give_up_after_hours": 0.0001},
    }
    wanted = os.environ.get("SCREENSHOTS")
    pictures = Path(wanted) if wanted else None
    with chromium() as browser, running(folder, **settings) as gateway:
        url = wait_for(lambda: next((e["url"] for e in gateway.events("started") if "url" in e), None))
        yield Room(gateway, browser, url, int(str(pacs["port"])), pictures, [])


def test_an_image_is_seen_judged_and_delivered(room: Room, tmp_path: Path) -> None:
    page = room.page()
    page.goto(room.url)
    expect(page.locator("text=Nothing has been received yet")).to_be_visible()
    assert room.gateway.send(SAMPLE)[0].stored

    # it appears by itself, and with it its answer
    row = page.locator("tr[data-row]")
    expect(row).to_have_count(1)
    expect(row.locator(".label")).to_have_text("Pneumonia")
    expect(row.locator(".state")).to_have_text("failed")
    expect(row).to_contain_text("could not be delivered")
    wait_for(lambda: row.locator("img").evaluate("image => image.naturalWidth > 0"))
    room.picture(page, "worklist")

    # by keys alone to its report
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer")).to_have_attribute("data-ready", "true")
    expect(page.locator(".banner")).to_be_in_viewport()
    room.picture(page, "report")

    _window_and_map_change_the_picture(page)

    # feedback by a key
    page.fill("[name=reader]", "Rita Reader")
    page.locator("#radiograph").focus()
    page.keyboard.press("a")
    expect(page.locator(".said")).to_contain_text("Rita Reader")

    # the PACS is back
    received = tmp_path / "pacs"
    received.mkdir()
    with storescp(received, port=room.pacs_port):
        page.click("#retry")
        expect(page.locator(".verdict .state")).to_have_text("delivered")
    assert len(list(received.iterdir())) == 2
    assert room.problems == []


def _window_and_map_change_the_picture(page: Page) -> None:
    canvas = page.locator("#radiograph")
    expect(page.locator("#viewer")).to_have_attribute("data-map-scale", "own")
    before = canvas.screenshot()
    page.locator("#opacity").focus()
    page.keyboard.press("Home")
    without_map = canvas.screenshot()
    assert without_map != before
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#window-level")).to_contain_text("W 105 %")
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 260)
    page.mouse.up()
    windowed = canvas.screenshot()
    assert windowed != without_map
    page.keyboard.press("+")
    expect(page.locator("#window-level")).to_contain_text("1.3×")
    page.keyboard.press("0")
    expect(page.locator("#window-level")).to_have_text("W 100 % L 50 % · 1.0×")
    page.keyboard.press("m")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_fits_and_breaks_no_policy(room: Room, path: str) -> None:
    for size in (SMALL, LARGE):
        page = room.page(size)
        page.goto(room.url + path, wait_until="networkidle" if path == "/docs" else "load")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        if path == "/docs":
            expect(page.locator(".opblock").first).to_be_visible()
        page.close()
    assert room.problems == []


def test_contrast_and_names_are_enough_for_everybody(room: Room) -> None:
    """Measured by axe-core: WCAG 2.2; a light system has the light theme."""
    if not room.gateway.events("inferred"):
        assert room.gateway.send(SAMPLE)[0].stored
    page = room.page()
    page.goto(room.url)
    expect(page.locator(".label").first).to_be_visible()
    report = page.locator("a.open").first.get_attribute("href")
    for path in (report, *PAGES, "/login"):
        page.goto(f"{room.url}{path}", wait_until="networkidle" if path == "/docs" else "load")
        if path == report:
            expect(page.locator("#viewer")).to_have_attribute("data-ready", "true")
        room.picture(page, f"axe{path.replace('/', '_')[:12]}", full_page=True)
        levels = LEVEL_AA if path == "/docs" else LEVELS  # Swagger UI nests its buttons
        assert violations(page, levels) == [], path


def test_a_part_that_fails_says_so(room: Room) -> None:
    page = room.page()
    page.goto(room.url)
    page.route(
        "**/worklist?*", lambda route: route.fulfill(status=503, body='{"detail": "the database is away"}')
    )
    expect(page.locator("#trouble")).to_have_text("Not now: the database is away")
    page.unroute("**/worklist?*")
    expect(page.locator("#trouble")).to_be_hidden()
    room.problems.clear()  # the browser's own line about the 503


def test_without_the_token_there_is_only_the_sign_in_page(room: Room) -> None:
    page = room.browser.new_page()
    page.goto(f"{room.url}/dashboard")
    expect(page.locator("h1")).to_have_text("Sign in")
    page.fill("[name=secret]", "a wrong token, though long")
    page.click("main button")
    expect(page.locator("main [role=alert]")).to_be_visible()
    page.fill("[name=secret]", TOKEN)
    page.click("main button")
    expect(page).to_have_url(f"{room.url}/dashboard")
    page.click("text=Sign out")
    expect(page.locator("h1")).to_have_text("Sign in")


def test_an_upload_is_answered(room: Room) -> None:
    page = room.page()
    page.goto(f"{room.url}/upload")
    page.set_input_files("#file", SAMPLE)
    page.click("main button")
    answer = page.locator(".answer-card")
    expect(answer.locator(".label")).to_have_text("Pneumonia")
    expect(answer).to_contain_text("Score")


def test_what_was_refused_is_told_and_what_has_no_picture_has_a_placeholder(
    room: Room, tmp_path: Path
) -> None:
    cut = dcmread(SAMPLE)
    cut.SOPInstanceUID = cut.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    cut.PixelData = bytes(100)
    cut.save_as(tmp_path / "cut.dcm")
    assert not room.gateway.send(tmp_path / "cut.dcm")[0].stored
    stranger = replace(room.gateway.node, ae_title="SOMEBODY_ELSE")
    with pytest.raises(GatewayError):
        echo(stranger)
    coloured = dcmread(SAMPLE)
    coloured.SOPInstanceUID = coloured.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    coloured.PhotometricInterpretation, coloured.SamplesPerPixel = "RGB", 3
    coloured.PlanarConfiguration, coloured.BitsAllocated, coloured.BitsStored, coloured.HighBit = 0, 8, 8, 7
    coloured.PixelData = bytes(coloured.Rows * coloured.Columns * 3)
    coloured.save_as(tmp_path / "coloured.dcm")
    assert room.gateway.send(tmp_path / "coloured.dcm")[0].stored
    told = wait_for(lambda: len(found := room.gateway.ask("refusals")) == 2 and found)
    assert {each["event"] for each in told} == {"refused", "association_rejected"}
    shown = room.gateway.command("show", cut.SOPInstanceUID)
    assert (shown.returncode, "0xC003" in shown.stderr) == (1, True)
    for width in (1280, 390):
        page = room.page({"width": width, "height": 800})
        page.goto(f"{room.url}/refusals")
        expect(page.locator("main")).to_contain_text("0xC003")
        expect(page.locator("main")).to_contain_text("called AE title")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        room.picture(page, f"refusals-{width}", full_page=True)
        page.goto(room.url)
        placeholder = page.locator("tr[data-row] img").first
        wait_for(lambda image=placeholder: image.evaluate("image => image.naturalWidth > 0"))
        room.picture(page, f"worklist-{width}", full_page=True)
        page.goto(f"{room.url}/instances/{coloured.SOPInstanceUID}")
        expect(page.locator("#viewer-note")).to_contain_text("colour image")
        room.picture(page, f"without-picture-{width}", full_page=True)
        page.goto(f"{room.url}/instances/{cut.SOPInstanceUID}")
        expect(page.locator("main")).to_contain_text("It was refused")
        page.close()
    room.problems.clear()  # the browser's own lines about pictures that are not there


def test_what_is_kept_is_hidden_from_other_users(room: Room) -> None:
    """Comes last: every role has written by now."""
    assert [path for path in room.gateway.data_dir.rglob("*") if path.stat().st_mode & 0o007] == []
