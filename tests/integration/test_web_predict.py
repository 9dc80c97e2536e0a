"""`POST /predict`: answers, bombs, files that hang their decoder, and what others notice of that."""

from __future__ import annotations

import io
import os
import signal
import struct
import zlib
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import requests
from PIL import Image
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian
from structlog.processors import format_exc_info
from structlog.testing import capture_logs

from gateway.dicom.octets import MAX_INFLATED_BYTES
from gateway.errors import ConfigurationError
from gateway.imaging.image_pixel import MAX_MEGAPIXELS
from gateway.model.predictor import Predictor
from gateway.proof.images import chest_pixels
from gateway.settings import Model, Settings
from gateway.web.api import prediction, prediction_sandbox
from gateway.web.api.prediction_sandbox import PredictionSandbox
from gateway.web.site import Site
from gateway.worker import predict
from tests.support.gateway_process import PATIENCE_SECONDS, ROOT
from tests.support.site import Browser, browsing, site_in
from tests.support.sources import dx, encoded

WAITING = 2
SAMPLE = ROOT / "sample_dicoms" / "dx_pa_consolidation.dcm"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_in(tmp_path_factory.mktemp("site"), predictions_per_minute=1000)


@pytest.fixture(scope="module")
def image(site: Site) -> Path:
    """A file that the sandbox has answered: its process runs, however busy the machine is."""
    file = site.settings.data_dir / "image.dcm"
    file.write_bytes(encoded(dx()))
    site.sandbox.answer(file)
    return file


@pytest.fixture(scope="module")
def browser(site: Site, image: Path) -> Iterator[Browser]:
    assert image.exists()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prediction, "MOST_WAITING", WAITING)
        with browsing(site) as browser:
            yield browser


def ask(browser: Browser, content: bytes, name: str = "x") -> requests.Response:
    return browser.post("/predict", files={"file": (name, content)})


def png(pixels: bytes, side: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        told = kind + content
        return struct.pack(">I", len(content)) + told + struct.pack(">I", zlib.crc32(told))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    compressed = zlib.compress(pixels, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", compressed) + chunk(b"IEND", b"")


def png_bomb() -> bytes:
    """A picture of one bit a pixel, complete and too large."""
    side = 12_000
    assert side * side > MAX_MEGAPIXELS * 1_000_000
    return png(bytes(side * (side // 8 + 1)), side)


def jpeg_bomb() -> bytes:
    """A picture of 8 x 8 that claims to have 65,500 x 65,500."""
    with io.BytesIO() as file:
        Image.new("L", (8, 8)).save(file, "JPEG")
        content = file.getvalue()
    frame = content.index(b"\xff\xc0")  # SOF0: length, precision, lines, samples per line
    return content[: frame + 5] + struct.pack(">HH", 65_500, 65_500) + content[frame + 9 :]


def deflated_bomb() -> bytes:
    """A DICOM file whose data set begins well and inflates beyond the bound."""
    source = dcmread(io.BytesIO(encoded(dx())))
    source.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    source.PixelData = bytes(MAX_INFLATED_BYTES)
    with io.BytesIO() as file:
        source.save_as(file)
        return file.getvalue()


def test_pictures_and_dicom_files_are_answered(browser: Browser) -> None:
    with io.BytesIO() as file:
        Image.fromarray((chest_pixels() >> 4).astype("uint8")).save(file, "PNG")
        picture = file.getvalue()
    for name, content in (("picture.png", picture), ("image.dcm", encoded(dx()))):
        answer = ask(browser, content, name)
        assert answer.status_code == 200
        told = answer.json()
        assert told["file"] == name
        assert told["label"] in ("Normal", "Pneumonia", "Undetermined")
        assert (told["probabilities"] is None) == (told["label"] == "Undetermined")


@pytest.mark.parametrize("bomb", [png_bomb, jpeg_bomb, deflated_bomb], ids=lambda bomb: bomb.__name__)
def test_a_bomb_is_refused_in_words_and_soon(browser: Browser, site: Site, bomb: object) -> None:
    content = bomb()  # type: ignore[operator]
    assert len(content) < 1 << 20
    process = site.sandbox.process.pid
    answer = ask(browser, content)
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
    assert site.sandbox.process.pid == process  # else it took too long


def test_a_false_group_length_hides_no_bomb(browser: Browser) -> None:
    bomb = bytearray(deflated_bomb())
    bomb[140:144] = (len(bomb) - 144).to_bytes(4, "little")
    answer = ask(browser, bytes(bomb))
    assert answer.status_code == 422
    assert "file meta information" in answer.json()["detail"]


def test_who_waits_for_an_answer_keeps_nobody_else_waiting(browser: Browser, site: Site) -> None:
    with ThreadPoolExecutor(WAITING + 2) as askers:
        os.kill(site.sandbox.process.pid, signal.SIGSTOP)
        try:
            asked = {askers.submit(ask, browser, encoded(dx())) for _ in range(WAITING + 2)}
            (refused, *_), waiting = wait(asked, timeout=PATIENCE_SECONDS, return_when=FIRST_COMPLETED)
            assert refused.result().status_code == 503
            assert refused.result().headers["Retry-After"]
            assert browser.get("/health/live").status_code == 200
        finally:
            os.kill(site.sandbox.process.pid, signal.SIGCONT)
        assert {each.result().status_code for each in waiting} == {200}


def test_a_decoder_that_hangs_is_ended(
    browser: Browser, site: Site, image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(browser, encoded(dx())).status_code == 200
    hung = site.sandbox.process.pid
    with monkeypatch.context() as patch:
        patch.setattr(prediction_sandbox, "ANSWER_SECONDS", 0.5)
        os.kill(hung, signal.SIGSTOP)
        answer = ask(browser, encoded(dx()))
    assert answer.status_code == 422
    assert "took too long" in answer.json()["detail"]
    site.sandbox.answer(image)
    assert site.sandbox.process.pid != hung
    assert ask(browser, encoded(dx())).status_code == 200


def test_a_model_that_is_not_there_is_told(tmp_path: Path) -> None:
    asked = PredictionSandbox(Settings(data_dir=tmp_path, model=Model(path=tmp_path / "none")))
    with pytest.raises(ConfigurationError, match="no model at"):
        asked.answer(tmp_path / "x.png")
    asked.close()


def test_a_bug_is_told_as_one_and_logged(tmp_path: Path) -> None:
    class Broken(PredictionSandbox):
        def answer(self, file: Path, *, drawn: bool = False) -> tuple[dict[str, object], bool]:  # noqa: ARG002
            raise ZeroDivisionError(file.suffix)

    site = site_in(tmp_path)
    object.__setattr__(site, "sandbox", Broken(site.settings))
    with browsing(site) as browser, capture_logs([format_exc_info]) as logged:
        assert ask(browser, encoded(dx())).status_code == 500
    (bug,) = logged
    assert bug["event"] == "bug"
    assert "ZeroDivisionError" in bug["exception"].splitlines()[-1]


def test_the_command_line_tells_a_bug_as_the_files_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(predict, "read_png_or_jpeg", bug)
    file = tmp_path / "x.png"
    file.write_bytes(b"x")
    predictor = Predictor.open(None)
    (told,) = predict.predict_files([file], predictor, Settings(data_dir=tmp_path))
    assert (told.failed, told.line["reason"]) == (True, "internal_error")
    with pytest.raises(ZeroDivisionError):
        predict.predict_file(file, predictor, Settings(data_dir=tmp_path))


def test_the_drawing_of_an_answer_is_a_picture_and_its_map(browser: Browser) -> None:
    files = {"file": ("image.dcm", SAMPLE.read_bytes())}
    told = browser.post("/predict?drawn=true", files=files).json()
    picture, activation = (Image.open(io.BytesIO(b64decode(told[name]))) for name in ("picture", "map"))
    assert (picture.format, activation.format, activation.mode) == ("JPEG", "PNG", "RGBA")
    plain = browser.post("/predict", files=files).json()
    assert (plain["picture"], plain["map"]) == (None, None)
    assert plain["label"] == told["label"]


def test_sr_and_sc_of_an_uploaded_file_are_made_and_not_kept(browser: Browser, site: Site) -> None:
    source = encoded(dx(SOPInstanceUID="1.2.77", StudyInstanceUID="1.2.70"))
    told = ask(browser, source, "image.dcm").json()
    assert told["results"] == ["sr", "sc"]
    for kind in told["results"]:
        answer = browser.post(f"/predict/{kind}", files={"file": ("x", source)})
        assert answer.headers["content-type"] == "application/dicom"
        result = dcmread(io.BytesIO(answer.content))
        assert result.StudyInstanceUID == "1.2.70"
        assert result.SOPInstanceUID in answer.headers["content-disposition"]
    assert list(site.settings.directory.results.rglob("*.dcm")) == []
    assert site.images.newest() == []


def test_what_has_no_result_says_why(browser: Browser) -> None:
    with io.BytesIO() as file:
        Image.fromarray((chest_pixels() >> 4).astype("uint8")).save(file, "PNG")
        picture = file.getvalue()
    assert ask(browser, picture).json()["results"] == []
    lateral = encoded(dx(ViewCodeSequence=None, ViewPosition="LL"))
    for content, why in ((picture, "no header"), (lateral, "lateral")):
        answer = browser.post("/predict/sr", files={"file": ("x", content)})
        assert answer.status_code == 422
        assert why in answer.text
    unknown = browser.post("/predict/exe", files={"file": ("x", picture)})
    assert (unknown.status_code, "there are sr, sc" in unknown.text) == (404, True)
