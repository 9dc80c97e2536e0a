"""A DICOMweb server that searches and gives in odd ways: what was not asked for is not kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless, generate_uid

from gateway.pull.source import SourceAway
from tests.support.pulling import NOVEMBER, Here, puller_for
from tests.support.sources import dx, encoded

Answer = tuple[int, str, bytes]


def study(images: int = 1) -> list[Dataset]:
    uid, series = generate_uid(prefix=None), generate_uid(prefix=None)
    return [
        dx(StudyInstanceUID=uid, SeriesInstanceUID=series, StudyDate="20261103", StudyTime="101112")
        for _ in range(images)
    ]


def part(file: bytes, boundary: str = "b0undary") -> Answer:
    """Return a multipart answer of one part."""
    body = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    kind = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
    return 200, kind, body + file + f"\r\n--{boundary}--\r\n".encode()


class Server:
    """The server's images, what it was asked, and how it gives an image."""

    def __init__(self, images: list[Dataset]) -> None:
        self.images = images
        self.accepted: list[str] = []
        self.give: Callable[[Dataset, str], Answer] = lambda image, _: part(encoded(image))
        self.page = 100

    def answer(self, target: str, accept: str) -> Answer:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        words = path.strip("/").split("/")[1:]
        if len(words) == 6:
            self.accepted.append(accept)
            (image,) = [each for each in self.images if each.SOPInstanceUID == words[5]]
            return self.give(image, accept)
        level = words[-1]
        keys = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}
        wanted = [each for each in self.images if len(words) < 2 or each.StudyInstanceUID == words[1]]
        unique = {str(each[keys[level]].value): each for each in wanted}
        offset = int(query["offset"][0])
        found = list(unique.values())[offset : offset + self.page]
        return 200, "application/dicom+json", json.dumps([described(each) for each in found]).encode()


def described(image: Dataset) -> dict[str, Any]:
    tags = {
        "0020000D": image.StudyInstanceUID,
        "0020000E": image.SeriesInstanceUID,
        "00080018": image.SOPInstanceUID,
        "00080016": image.SOPClassUID,
        "00080020": image.StudyDate,
        "00080061": "DX",
        "00080060": "DX",
    }
    return {tag: {"vr": "UI", "Value": [str(value)]} for tag, value in tags.items()}


@contextmanager
def asking(folder: Path, images: list[Dataset]) -> Iterator[tuple[Server, Here]]:
    server = Server(images)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = server.answer(self.path, self.headers["Accept"])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=listening.serve_forever)
    serving.start()
    url = f"http://127.0.0.1:{listening.server_address[1]}/web"
    source = {"name": "web", "kind": "dicomweb", "url": url, "first_retry_seconds": 0.001}
    try:
        with puller_for(folder, source) as here:
            yield server, here
    finally:
        listening.shutdown()
        serving.join()
        listening.server_close()


def test_pages_are_read_until_one_brings_nothing_new(tmp_path: Path) -> None:
    images = [each for _ in range(7) for each in study()]
    with asking(tmp_path, images) as (server, here):
        server.page = 3
        assert here.pull() == ["complete"] * 7
        assert [here.rows(each) for each in images] == [1] * 7


@pytest.mark.parametrize("boundary", ["b0undary", "with blank"])
def test_a_transcoded_image_is_kept_once_and_a_file_alone_is_taken_too(tmp_path: Path, boundary: str) -> None:
    images = study(2)
    with asking(tmp_path, images) as (server, here):
        files = [encoded(images[0], JPEGLSLossless), encoded(images[1])]
        answers = [part(files[0], boundary), (200, "application/dicom", files[1])]
        server.give = lambda image, _: answers[images.index(image)]
        assert here.pull() == ["complete"]
        assert [here.rows(each) for each in images] == [1, 1]
        assert all("transfer-syntax=*" in each for each in server.accepted)


def test_a_server_that_does_not_know_the_parameter_is_asked_without_it(tmp_path: Path) -> None:
    with asking(tmp_path, study()) as (server, here):
        server.give = lambda image, accept: (
            (406, "text/plain", b"") if "*" in accept else part(encoded(image))
        )
        assert here.pull() == ["complete"]


@pytest.mark.parametrize(
    ("give", "told"),
    [
        (lambda image, _: part(encoded(dx(StudyInstanceUID=image.StudyInstanceUID))), "another one"),
        (lambda *_: (200, "text/html", b"<html>" * 50), "gave no DICOM file"),
        (lambda image, _: (200, part(b"")[1], part(encoded(image))[2][:-40]), "not whole"),
        (lambda *_: (200, "application/dicom", b""), "the answer is empty"),
        (lambda *_: (404, "text/plain", b""), "404"),
        (lambda *_: (500, "text/plain", b""), "500"),
    ],
)
def test_what_is_not_the_image_that_was_asked_for_is_not_kept(
    tmp_path: Path, give: Callable[[Dataset, str], Answer], told: str
) -> None:
    images = study()
    with asking(tmp_path, images) as (server, here):
        server.give = give
        assert here.pull() == ["partial"]
        assert told in (here.view(images[0]).pull.detail or "")
        assert here.files() == []
        server.give = lambda image, _: part(encoded(image))
        assert here.go_on() == ["complete"]


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_a_status_of_the_server_counts_against_no_study(tmp_path: Path, status: int) -> None:
    images = study()
    with asking(tmp_path, images) as (server, here):
        here.puller.find(NOVEMBER)
        server.give = lambda *_: (status, "text/plain", b"")
        with pytest.raises(SourceAway, match=str(status)):
            here.go_on()
        assert here.view(images[0]).pull.attempts == 0
