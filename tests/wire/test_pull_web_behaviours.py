"""A DICOMweb server that searches and gives in odd ways: what was not asked for is not kept."""

from __future__ import annotations

import gzip
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

from gateway.doctor.finding import Severity
from gateway.doctor.sources import sources
from gateway.pull import examination
from gateway.pull.source import SourceAway
from gateway.settings import Settings
from tests.support.pulling import NOVEMBER, Here, puller_for
from tests.support.sources import dx, encoded

Answer = tuple[int, str, bytes]
JSON = "application/dicom+json"


def study(images: int = 1, time: str = "101112") -> list[Dataset]:
    uid, series = generate_uid(prefix=None), generate_uid(prefix=None)
    return [
        dx(StudyInstanceUID=uid, SeriesInstanceUID=series, StudyDate="20261103", StudyTime=time)
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
        self.headers: dict[str, str] = {}
        self.source: dict[str, Any] = {}
        self.search: Callable[[str, dict[str, list[str]]], Answer | None] = lambda *_: None

    def answer(self, target: str, accept: str) -> Answer:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        words = path.strip("/").split("/")[1:]
        if len(words) < 6 and (said := self.search(path, query)) is not None:
            return said
        if len(words) == 6:
            self.accepted.append(accept)
            (image,) = [each for each in self.images if each.SOPInstanceUID == words[5]]
            return self.give(image, accept)
        level = words[-1]
        keys = {"studies": "StudyInstanceUID", "series": "SeriesInstanceUID", "instances": "SOPInstanceUID"}
        wanted = [each for each in self.images if len(words) < 2 or each.StudyInstanceUID == words[1]]
        if "StudyTime" in query:
            first, last = query["StudyTime"][0].split("-")
            wanted = [each for each in wanted if first <= each.StudyTime <= last]
        unique = {str(each[keys[level]].value): each for each in wanted}
        offset = int(query["offset"][0])
        found = list(unique.values())[offset : offset + self.page]
        return 200, JSON, as_json(found)


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


def as_json(images: list[Dataset]) -> bytes:
    return json.dumps([described(each) for each in images]).encode()


@contextmanager
def asking(folder: Path, images: list[Dataset], **changes: Any) -> Iterator[tuple[Server, Here]]:
    server = Server(images)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = server.answer(self.path, self.headers["Accept"])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=listening.serve_forever)
    serving.start()
    url = f"http://127.0.0.1:{listening.server_address[1]}/web"
    server.source = {"name": "web", "kind": "dicomweb", "url": url, "first_retry_seconds": 0.001} | changes
    try:
        with puller_for(folder, server.source) as here:
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


PROXYS = b"<html><head><title>400 The SSL certificate error</title></head></html>"


@pytest.mark.parametrize(("status", "page"), [(401, b""), (403, b""), (429, b""), (503, b""), (400, PROXYS)])
def test_a_status_of_the_server_counts_against_no_study(tmp_path: Path, status: int, page: bytes) -> None:
    images = study()
    with asking(tmp_path, images) as (server, here):
        here.puller.find(NOVEMBER)
        server.give = lambda *_: (status, "text/html", page)
        with pytest.raises(SourceAway, match=f"{status}.*{'The SSL certificate error' if page else ''}"):
            here.go_on()
        assert here.view(images[0]).pull.attempts == 0


@pytest.mark.parametrize("failure", [(404, "", b""), (500, "", b""), (200, JSON, b'[{"\xff')])
def test_a_study_that_the_server_cannot_list_keeps_no_other_waiting(tmp_path: Path, failure: Answer) -> None:
    images = study() + study() + study()
    with asking(tmp_path, images) as (server, here):
        spoilt = str(images[1].StudyInstanceUID)
        server.search = lambda path, _: failure if spoilt in path else None
        assert sorted(here.pull()) == ["complete", "complete", "partial"]
        view = here.view(images[1])
        assert (view.pull.state, view.pull.attempts) == ("partial", 1)
        assert str(failure[0] if failure[0] >= 400 else "cannot be read") in (view.pull.detail or "")


def test_a_study_at_which_the_server_says_that_it_is_away_lets_the_others_pass(tmp_path: Path) -> None:
    """It may be true, and counts against no study; but the next to be asked for is another one."""
    images = study() + study()
    with asking(tmp_path, images, first_retry_seconds=3600) as (server, here):
        spoilt = str(images[1].StudyInstanceUID)
        server.search = lambda path, _: (503, "", b"") if spoilt in path else None
        here.puller.find(NOVEMBER)
        with pytest.raises(SourceAway):
            here.go_on()
        assert here.go_on() == ["complete"]
        assert [here.rows(each) for each in images] == [1, 0]
        assert here.view(images[1]).pull.attempts == 0


@pytest.mark.parametrize("too_many", [(413, "", b""), (200, JSON, b"[" + b" " * (9 << 20) + b"]")])
def test_more_answers_than_can_be_given_or_read_are_asked_for_in_shorter_periods(
    tmp_path: Path, too_many: Answer
) -> None:
    images = [each for hour in range(0, 24, 3) for each in study(time=f"{hour:02}0000")]

    def search(path: str, query: dict[str, list[str]]) -> Answer | None:
        days = query.get("StudyDate", [""])[0].split("-")
        is_wide = path.endswith("/studies") and (len(days) > 1 or "StudyTime" not in query)
        return too_many if is_wide else None

    with asking(tmp_path, images) as (server, here):
        server.search = search
        found, _ = here.puller.find(NOVEMBER)
        assert found == len(images)


def test_a_server_that_ignores_the_offset_and_says_that_it_has_more_is_asked_for_shorter_periods(
    tmp_path: Path,
) -> None:
    images = [each for hour in range(0, 24, 3) for each in study(time=f"{hour:02}0000")]
    with asking(tmp_path, images) as (server, here):
        server.search, server.page = lambda _, query: query.update(offset=["0"]), 5
        server.headers["Warning"] = '299 server "There are more results"'
        found, _ = here.puller.find(NOVEMBER)
        assert found == len(images)


def test_answers_that_are_compressed_unasked_are_read(tmp_path: Path) -> None:
    images = study()
    with asking(tmp_path, images) as (server, here):
        server.headers["Content-Encoding"] = "gzip"
        answer = server.answer

        def compressed(target: str, accept: str) -> Answer:
            status, kind, body = answer(target, accept)
            return status, kind, gzip.compress(body)

        server.answer = compressed  # type: ignore[method-assign]
        assert here.pull() == ["complete"]
        assert [here.rows(each) for each in images] == [1]


def test_a_redirect_is_told_with_what_to_do(tmp_path: Path) -> None:
    with asking(tmp_path, study()) as (server, here):
        server.headers["Location"] = "https://elsewhere.example/dicom-web/studies"
        server.search = lambda *_: (301, "", b"")
        with pytest.raises(SourceAway, match=r"301 .*redirects to https://elsewhere.*; correct the url"):
            here.puller.find(NOVEMBER)
        settings = Settings(data_dir=tmp_path, sources=[server.source])
        (finding,) = sources(settings)
        assert (finding.verdict, finding.advice) == (
            Severity.WRONG, "here: the url, as redirects are not followed",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("answered", "advice"),
    [("301 Moved: it redirects to x", "the url, as"), ("401 Unauthorized", "bearer_token")],
)
def test_digits_of_an_address_are_no_status(answered: str, advice: str) -> None:
    problem = f"http://127.0.0.1:40163/web/studies?StudyInstanceUID=2.25.403404: {answered}"
    assert advice in examination.advice_on(problem, "CXR_GATEWAY")


def test_a_server_says_for_how_long_it_is_left_alone(tmp_path: Path) -> None:
    with asking(tmp_path, study()) as (server, here):
        server.headers["Retry-After"] = "1234"
        server.search = lambda *_: (429, "", b"")
        with pytest.raises(SourceAway) as away:
            here.puller.find(NOVEMBER)
        assert away.value.retry_after == 1234
