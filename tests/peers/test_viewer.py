"""The viewer of a report in Chromium, and every page on a phone, in both themes and on paper."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pydicom import Dataset, dcmread
from pydicom.pixels.processing import apply_modality_lut
from pypdf import PdfReader

from gateway.results.answer import RESEARCH_BANNER
from gateway.web.pages.templates import PRIVATE
from tests.peers.axe import LEVELS, violations
from tests.peers.chromium import chromium
from tests.support.gateway_process import ROOT, GatewayProcess, running, wait_for

SAMPLES = ROOT / "sample_dicoms"
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
RESCALED = "2.25.4711"
ANSWERED = ("inferred", "ineligible")


@dataclass
class Desk:
    """A browser before a gateway that has answered some images; `problems` is the browser's console."""

    gateway: GatewayProcess
    browser: Browser
    url: str
    images: dict[str, Dataset]
    problems: list[str]

    def page(self, path: str = "/", size: dict[str, int] = DESK, theme: str = "dark") -> Page:
        """Open a page in a browser of its own."""
        context = self.browser.new_context(viewport=size, color_scheme=theme)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.goto(self.url + path)
        return page

    def report(self, name: str, size: dict[str, int] = DESK, theme: str = "dark") -> Page:
        """Open the report of an image, and wait for its pixels."""
        page = self.page(f"/instances/{self.images[name].SOPInstanceUID}", size, theme)
        expect(page.locator("#viewer")).to_have_attribute("data-ready", "true")
        wait_for(lambda: page.locator("#window-level").text_content() != "W 100 % L 50 %")
        return page


@pytest.fixture
def desk(one_desk: Desk) -> Iterator[Desk]:
    yield one_desk
    for context in one_desk.browser.contexts:
        context.close()
    problems = one_desk.problems.copy()
    one_desk.problems.clear()
    assert problems == []


@pytest.fixture(scope="module")
def one_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    files = _images(folder)
    images = {name: dcmread(file) for name, file in files.items()}
    link = "https://pacs.example/viewer?study={study_instance_uid}&image={sop_instance_uid}"
    outbox = {"name": "outbox", "kind": "folder", "path": str(folder / "outbox")}
    routes = [{"calling_ae_title": "*", "to": ["outbox"], "when": "Modality == 'CR'"}]
    web = {"enabled": True, "port": 0, "viewer_url": link}
    with chromium() as browser, running(folder, web=web, destinations=[outbox], routes=routes) as gateway:
        url = wait_for(lambda: next((e["url"] for e in gateway.events("started") if "url" in e), None))
        assert all(sent.stored for sent in gateway.send(*files.values()))
        wait_for(lambda: sum(len(gateway.events(event)) for event in ANSWERED) == len(files))
        yield Desk(gateway, browser, str(url), images, [])


def _images(folder: Path) -> dict[str, Path]:
    """Return three samples, one that is rescaled, calibrated and not square, and one in colour."""
    names = ("cr_pa_monochrome1", "dx_pa_jpeg_2000", "cr_pa_rle")
    files = {name: SAMPLES / f"{name}.dcm" for name in names}
    rescaled = dcmread(SAMPLES / "dx_pa_normal.dcm")
    rescaled.SOPInstanceUID = rescaled.file_meta.MediaStorageSOPInstanceUID = RESCALED
    rescaled.RescaleSlope, rescaled.RescaleIntercept, rescaled.RescaleType = "0.25", "-512.5", "OD"
    rescaled.WindowCenter, rescaled.WindowWidth = 0, 1024
    rescaled.PixelSpacing, rescaled.PixelSpacingCalibrationType = [0.25, 0.3], "FIDUCIAL"
    coloured = dcmread(SAMPLES / "dx_pa_normal.dcm")
    coloured.SOPInstanceUID = coloured.file_meta.MediaStorageSOPInstanceUID = "2.25.4712"
    coloured.PhotometricInterpretation, coloured.SamplesPerPixel = "RGB", 3
    coloured.PlanarConfiguration, coloured.BitsAllocated, coloured.BitsStored, coloured.HighBit = 0, 8, 8, 7
    coloured.PixelData = bytes(coloured.Rows * coloured.Columns * 3)
    for name, ds in {"rescaled": rescaled, "coloured": coloured}.items():
        files[name] = folder / f"{name}.dcm"
        ds.save_as(files[name])
    return files


@pytest.mark.parametrize("name", ["cr_pa_monochrome1", "dx_pa_jpeg_2000", "cr_pa_rle", "rescaled"])
def test_the_value_under_the_pointer_is_the_modalitys(desk: Desk, name: str) -> None:
    ds = desk.images[name]
    values = apply_modality_lut(ds.pixel_array, ds)
    page = desk.report(name)
    for key in ("0", "1"):  # the whole image, and one pixel for one
        page.keyboard.press(key)
        for x, y in ((0.42, 0.31), (0.5, 0.5), (0.63, 0.77)):
            told = probed(page, x, y)
            column, row = (int(told.group(each)) for each in ("column", "row"))
            assert float(told["value"]) == values[row, column]
            expected = place_in_image(page, ds, x, y, key)
            assert max(abs(column + 0.5 - expected[0]), abs(row + 0.5 - expected[1])) <= 1.5
    assert told["unit"] == (" thousandths of optical density" if name == "rescaled" else "")


def probed(page: Page, x: float, y: float) -> re.Match[str]:
    """Move the pointer to a share of the picture; return what is told there."""
    box = page.locator("#radiograph").bounding_box()
    assert box
    page.mouse.move(box["x"] + math.floor(x * box["width"]), box["y"] + math.floor(y * box["height"]))
    found = re.fullmatch(
        r"column (?P<column>\d+), row (?P<row>\d+): (stored|modality) value (?P<value>[-\d.]+)(?P<unit>.*)",
        page.locator("#probe").text_content() or "",
    )
    assert found
    return found


def place_in_image(page: Page, ds: Dataset, x: float, y: float, key: str) -> tuple[float, float]:
    """Return the column and the row at a share of the picture, by geometry."""
    box = page.locator("#radiograph").bounding_box()
    assert box
    row_spacing, column_spacing = ds.get("PixelSpacing", ds.ImagerPixelSpacing)
    wider = max(1.0, column_spacing / row_spacing)
    fit = min(box["width"] / (ds.Columns * wider), box["height"] / ds.Rows)
    scale = 1 if key == "1" else fit
    across = math.floor(x * box["width"]) - box["width"] / 2
    down = math.floor(y * box["height"]) - box["height"] / 2
    return ds.Columns / 2 + across / (scale * wider), ds.Rows / 2 + down / scale


def test_one_pixel_is_one_pixel(desk: Desk) -> None:
    page = desk.report("dx_pa_jpeg_2000")
    page.click("#one-to-one")
    expect(page.locator("#one-to-one")).to_have_attribute("aria-pressed", "true")
    first, second = (probed(page, 0.3, 0.5), probed(page, 0.7, 0.5))
    width = page.locator("#radiograph").bounding_box()["width"]  # type: ignore[index]
    moved = math.floor(0.7 * width) - math.floor(0.3 * width)
    assert int(second["column"]) - int(first["column"]) == moved
    page.keyboard.press("1")
    expect(page.locator("#window-level")).to_have_text("W 100 % L 50 % · 1.0×")


def test_the_ruler_measures_by_the_stated_spacing_and_names_it(desk: Desk) -> None:
    page = desk.report("rescaled")
    page.keyboard.press("r")
    expect(page.locator("#basis")).to_contain_text("calibrated with an object of known size (0.25 × 0.3 mm)")
    page.keyboard.press("Enter")
    for key in ["Shift+ArrowRight"] * 4 + ["Shift+ArrowUp"] * 6 + ["ArrowUp"]:
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expected = math.hypot(40 * 0.3, 61 * 0.25)
    expect(page.locator("#lengths")).to_have_text(f"{expected:.1f} mm calibrated")
    page.keyboard.press("Escape")
    expect(page.locator("#lengths")).to_have_text("")

    page = desk.report("cr_pa_rle")
    spacing = float(desk.images["cr_pa_rle"].ImagerPixelSpacing[0])
    page.keyboard.press("1")
    page.click("#measure")
    drag(page, (200, 150), (440, 330))
    expect(page.locator("#lengths")).to_have_text(f"{300 * spacing:.1f} mm at the detector")
    expect(page.locator("#basis")).to_contain_text("larger than in the patient")


def drag(page: Page, start: tuple[int, int], end: tuple[int, int], button: str = "left") -> None:
    """Drag on the picture, from one of its points to another."""
    box = page.locator("#radiograph").bounding_box()
    assert box
    page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    page.mouse.down(button=button)  # type: ignore[arg-type]
    page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=4)
    page.mouse.up(button=button)  # type: ignore[arg-type]


def test_left_changes_the_window_right_zooms_middle_pans(desk: Desk) -> None:
    page = desk.report("cr_pa_rle")
    shown = page.locator("#window-level")
    drag(page, (300, 300), (340, 300))
    expect(shown).to_have_text("W 110 % L 50 % · 1.0×")
    drag(page, (300, 300), (300, 240), "right")
    expect(shown).to_have_text("W 110 % L 50 % · 1.5×")
    before = probed(page, 0.5, 0.5)
    drag(page, (300, 300), (360, 300), "middle")
    assert int(probed(page, 0.5, 0.5)["column"]) < int(before["column"])


def test_a_fixed_scale_gives_one_value_one_colour_in_all_images(desk: Desk) -> None:
    page = desk.report("cr_pa_rle")
    viewer = page.locator("#viewer")
    expect(viewer).to_have_attribute("data-map-scale", "own")
    own = page.locator("#radiograph").screenshot()
    page.keyboard.press("s")
    expect(viewer).to_have_attribute("data-map-scale", "fixed")
    wait_for(lambda: page.locator("#radiograph").screenshot() != own)
    expect(page.locator("#scale-high")).to_have_text("+12")
    page.goto(f"{desk.url}/instances/{RESCALED}")
    expect(page.locator("#fixed-scale")).to_have_attribute("aria-pressed", "true")


def test_the_report_links_to_the_sites_viewer(desk: Desk) -> None:
    page, ds = desk.report("cr_pa_rle"), desk.images["cr_pa_rle"]
    link = page.locator("#elsewhere")
    expected = f"https://pacs.example/viewer?study={ds.StudyInstanceUID}&image={ds.SOPInstanceUID}"
    expect(link).to_have_attribute("href", expected)
    expect(link).to_have_attribute("rel", "noopener noreferrer")


def test_an_image_without_a_picture_says_why(desk: Desk) -> None:
    page = desk.page(f"/instances/{desk.images['coloured'].SOPInstanceUID}")
    expect(page.locator("#viewer-note")).to_have_text("No picture: colour image.")
    drawn = page.locator("#no-picture")
    wait_for(lambda: drawn.evaluate("image => image.complete && image.naturalWidth > 0"))
    expect(page.locator("#measure")).to_be_hidden()


def test_the_theme_is_the_systems_until_it_is_chosen(desk: Desk) -> None:
    page = desk.report("cr_pa_rle", theme="light")
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    light = page.evaluate(ground)
    assert (
        page.evaluate("getComputedStyle(document.getElementById('viewer')).backgroundColor") == "rgb(0, 0, 0)"
    )
    page.keyboard.press("t")
    dark = page.evaluate(ground)
    assert brightness(light) > 200 > 50 > brightness(dark)
    page.goto(desk.url)
    assert page.evaluate(ground) == dark


def brightness(colour: str) -> float:
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_every_page_fits_a_phone_and_is_for_everybody(desk: Desk, theme: str) -> None:
    """No page scrolls sideways; axe-core finds nothing, targets of less than 24 pixels included."""
    report = f"/instances/{desk.images['cr_pa_rle'].SOPInstanceUID}"
    page = desk.report("cr_pa_rle", PHONE, theme)
    pages = [path for path, _ in PRIVATE if path != "/docs"]  # Swagger UI has its own layout
    for path in (report, f"{report}/route", *pages):
        page.goto(desk.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
        assert violations(page, LEVELS) == [], path


def test_why_there_is_for_everybody_at_a_desk(desk: Desk) -> None:
    for name in ("cr_pa_rle", "rescaled"):  # one is taken, one by no route
        page = desk.page(f"/instances/{desk.images[name].SOPInstanceUID}/route")
        assert violations(page, LEVELS) == []
        expect(page.locator("main")).to_contain_text("taken" if name == "cr_pa_rle" else "No route takes")


def test_the_report_prints_on_one_page(desk: Desk) -> None:
    page = desk.report("cr_pa_rle")
    expect(page.locator("#viewer")).to_have_attribute("data-map-scale", "own")
    (sheet,) = PdfReader(BytesIO(page.pdf(prefer_css_page_size=True))).pages
    text = " ".join(sheet.extract_text().split())
    about = desk.images["cr_pa_rle"].SOPInstanceUID
    for told in (RESEARCH_BANNER, "Score", about, "Weights", "Activation map", "CXR Gateway"):
        assert told in text
    assert len(sheet.images) == 2
    assert "Downloads" not in text


def test_every_printed_page_bears_the_banner(desk: Desk) -> None:
    page = desk.page("/dashboard")
    sheets = PdfReader(BytesIO(page.pdf(width="148mm", height="105mm"))).pages  # less than the page needs
    assert len(sheets) > 1
    assert all(RESEARCH_BANNER in sheet.extract_text() for sheet in sheets)
