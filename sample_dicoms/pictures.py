"""`make pictures`: writes the pictures of the documents into docs/images/.

The pictures show the results that `make demo` left in var/demo: worklist and report as Chromium shows them,
and a Secondary Capture. They are reduced to 128 colours, so that none exceeds 150 kB.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright
from pydicom import dcmread

ROOT = Path(__file__).parents[1]
DATA_DIR = ROOT / "var" / "demo"
IMAGES = ROOT / "docs" / "images"
SAMPLE = ROOT / "sample_dicoms" / "dx_pa_consolidation.dcm"
SIZE = {"width": 1120, "height": 700}
WIDTH = 840
COLOURS = 128


def main() -> None:
    """Take every picture."""
    chromium = shutil.which("chromium")
    if chromium is None or not (DATA_DIR / "outbox").is_dir():
        sys.exit("pictures: run `make demo` first, and install chromium (apt-get install chromium)")
    source = dcmread(SAMPLE, stop_before_pixels=True)
    IMAGES.mkdir(exist_ok=True)
    with pages() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
        page.goto(url, wait_until="networkidle")
        write("worklist", screenshot(page))
        page.goto(f"{url}/instances/{source.SOPInstanceUID}")
        page.wait_for_selector("#viewer[data-ready=true]")
        write("report", screenshot(page))
        browser.close()
    write("secondary-capture", secondary_capture(str(source.StudyInstanceUID)))


@contextmanager
def pages() -> Iterator[str]:
    """Serve the demonstration's pages on a free port; yield their address."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GATEWAY_")}
    environment |= {"GATEWAY_DATA_DIR": str(DATA_DIR), "GATEWAY_WEB__PORT": "0"}
    log = DATA_DIR / "log" / "gateway.jsonl"
    before = log.stat().st_size
    process = subprocess.Popen([sys.executable, "-m", "gateway", "web"], cwd=ROOT, env=environment)
    try:
        yield address(process, log, before)
    finally:
        process.terminate()
        process.wait()


def address(process: subprocess.Popen[bytes], log: Path, before: int) -> str:
    """Return the address that the log names after its first `before` bytes."""
    while process.poll() is None:
        for line in log.read_bytes()[before:].splitlines(keepends=True):
            if line.endswith(b"\n") and "url" in (event := json.loads(line)):
                return str(event["url"]).rstrip("/")
        time.sleep(0.1)
    sys.exit("pictures: the pages did not start")


def screenshot(page: Page) -> Image.Image:
    """Return what the browser shows."""
    return Image.open(io.BytesIO(page.screenshot()))


def secondary_capture(study_instance_uid: str) -> Image.Image:
    """Return the Secondary Capture of a study with one image."""
    for path in sorted((DATA_DIR / "outbox" / study_instance_uid).glob("*.dcm")):
        result = dcmread(path)
        if "PixelData" in result:
            return Image.fromarray(result.pixel_array)
    sys.exit(f"pictures: no Secondary Capture of study {study_instance_uid} in {DATA_DIR / 'outbox'}")


def write(name: str, picture: Image.Image) -> None:
    """Write one picture, small."""
    size = (WIDTH, round(picture.height * WIDTH / picture.width))
    path = IMAGES / f"{name}.png"
    picture.convert("RGB").resize(size).quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
