"""Peers made of bytes at the web port: what each is answered, and that the next honest request is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import pytest
from structlog.testing import capture_logs

from gateway.web import http_connection, listener
from gateway.web.listener import Phase
from gateway.web.security import guard
from gateway.web.site import Site
from tests.support.site import Browser, add_image, browsing, site_in, stow
from tests.support.sources import dx, encoded
from tests.wire.http_client import CLOSED, HttpClient, chunked, multipart, request

DICOM = 'Content-Type: multipart/related; type="application/dicom"; boundary=B'
FORM = "Content-Type: multipart/form-data; boundary=B"
FIELDS = "Content-Type: application/x-www-form-urlencoded"
STORE = "/dicomweb/studies"
MAX_MB = 2
SILENT = 0.6  # for this module's server: seconds in which nothing comes

post = partial(request, method="POST")
store = partial(post, STORE, DICOM)
CHUNKED = "Transfer-Encoding: chunked"
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: AA==",
    "Sec-WebSocket-Version: 13",
)


@dataclass(frozen=True)
class Row:
    """What a client sends, piece by piece, and gets: a status, or `CLOSED`, and words of the answer."""

    name: str
    sent: tuple[bytes, ...]
    status: int
    words: str = ""


def part(content: bytes, head: str = "Content-Type: application/dicom") -> bytes:
    return f"{head}\r\n\r\n".encode() + content


def big_head(count: int, size: int) -> bytes:
    return request("/health/live", *[f"X-{n}: {'a' * size}" for n in range(count)])


ROWS = [
    # requests that two servers might read differently
    Row("both framings", (store(CHUNKED, "Content-Length: 3", body=b"0\r\n\r\n"),), 400, "both"),
    Row("two lengths", (store("Content-Length: 3", "Content-Length: 4"),), 400, "conflicting"),
    Row("a list of lengths", (store("Content-Length: 3, 4"),), 400, "conflicting"),
    Row("a signed length", (store("Content-Length: +3"),), 400, "Content-Length"),
    Row("a length of 30 digits", (store(f"Content-Length: {'9' * 30}"),), 400, "Content-Length"),
    Row("an unknown coding", (store("Transfer-Encoding: gzip, chunked"),), 501, "chunked"),
    Row("chunks in HTTP/1.0", (store(CHUNKED, version="1.0"),), 400, "HTTP/1.1"),
    Row("bare LF", (b"GET /health/live HTTP/1.1\nHost: 127.0.0.1\n\n",), 400, "LF"),
    Row("one bare LF", (b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\nX: y\r\n\r\n",), 400, "LF"),
    Row("a bare CR", (b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX: a\rb\r\n\r\n",), 400, "header"),
    Row("a space before the colon", (request("/health/live", "X : y"),), 400, "header"),
    Row("no host", (request(host=None),), 400, "Host"),
    Row("two hosts", (request("/health/live", "Host: 127.0.0.1"),), 400, "Host"),
    Row("a user in the host", (request(host="evil@127.0.0.1"),), 400, "Host"),
    Row("a path in the host", (request(host="127.0.0.1/x"),), 400, "Host"),
    Row("a port of letters", (request(host="127.0.0.1:http"),), 400, "Host"),
    Row("a NUL in a header", (request("/health/live", "X: a\0b"),), 400, "header"),
    # what is no HTTP/1.1
    Row("TLS on the plain port", (bytes.fromhex("16030100c8010000c40303") + bytes(32),), 400, "request line"),
    Row("HTTP/2's preface", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",), 505, "HTTP/1.1"),
    Row("DICOM", (bytes.fromhex("0100000000cd0001") + bytes(70),), 400, "request line"),
    Row("an empty line first", (b"\r\n\r\n",), 400, "request line"),
    Row("an upgrade to HTTP/2", (request("/health/live", *H2C),), 200, "live"),
    Row("an upgrade to WebSocket", (request("/health/live", *WEBSOCKET),), 200, "live"),
    # sizes
    Row("a head of 80 kB", (big_head(20, 4000),), 431, "16 kB"),
    Row("a head that does not end", (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b"a" * 20_000), 431, "16 kB"),
    Row("a path of 20 kB", (request("/" + "a" * 20_000),), 431, "16 kB"),
    Row("a length beyond the limit", (store(f"Content-Length: {(MAX_MB << 20) + 1}"),), 413, "2 MB"),
    Row("chunks beyond the limit", (store(CHUNKED), chunked([bytes(1 << 20)] * (MAX_MB + 1))), 413, "2 MB"),
    Row("a sign-in of 100 kB", (post("/login", FIELDS, body=b"secret=" + b"a" * 100_000),), 413, "64 kB"),
    Row("20,000 fields", (post("/login", FIELDS, body=b"a&" * 20_000),), 400, "1000"),
    Row("trailers without end", (store(CHUNKED), b"0\r\n" + b"X: y\r\n" * 5000), 431, "16 kB"),
    Row("an endless chunk header", (store(CHUNKED), b"1;" + b"a" * 20_000), 431, "too long"),
    Row("a chunk of no size", (store(CHUNKED), b"xyz\r\n"), 400, "chunk"),
    # time
    Row("half a head", (b"GET /health/live HTTP/1.1\r\nHo",), CLOSED),
    Row("nothing at all", (), CLOSED),
    Row("half a body", (store("Content-Length: 100"), b"--B\r\n"), 408, "paused"),
    Row("half a form", (post("/login", FIELDS, "Content-Length: 100"), b"secret="), 408, "paused"),
    Row("half an upload", (post("/predict", FORM, "Content-Length: 100"), b"--B\r\n"), 408, "paused"),
    # STOW-RS
    Row(
        "another media type",
        (post(STORE, "Content-Type: application/dicom", body=b"x"),),
        415,
        "multipart/related",
    ),
    Row(
        "no type",
        (post(STORE, "Content-Type: multipart/related; boundary=B", body=b"x"),),
        415,
        "application/dicom",
    ),
    Row("gzip", (store("Content-Encoding: gzip", body=b"\x1f\x8b"),), 415, "accept-encoding: identity"),
    Row("deflate", (store("Content-Encoding: deflate", body=b"x"),), 415, "Content-Encoding"),
    Row(
        "a study that is none",
        (post(f"{STORE}/hello", DICOM, body=multipart(part(b"x"))),),
        400,
        "Study Instance UID",
    ),
    Row("no boundary", (post(STORE, DICOM.replace("; boundary=B", ""), body=b"x"),), 400, "boundary"),
    Row("another boundary", (store(body=multipart(part(b"x"), boundary="C")),), 400, "boundary"),
    Row("lines that end in LF", (store(body=multipart(part(b"x")).replace(b"\r", b"")),), 400, "CR LF"),
    Row("a part that does not end", (store(body=b"--B\r\n" + part(b"x")),), 400, "not whole"),
    Row("a part without a head", (store(body=b"--B\r\nx\r\n--B--"),), 400, "headers"),
    Row("a part's head of 8 kB", (store(body=multipart(part(b"x", "X: " + "a" * 8000))),), 400, "headers"),
    Row("3000 parts", (store(body=multipart(*[b"\r\n"] * 3000)),), 413, "2000 parts"),
    Row("a part that is no DICOM", (store(body=multipart(part(b"x"))),), 409, "0008119A"),
    Row(
        "JSON of 50,000 brackets",
        (store(body=multipart(part(b"[" * 50_000, "Content-Type: application/dicom+json"))),),
        409,
        "0008119A",
    ),
    Row(
        "no field of that name",
        (post("/predict", FORM, body=multipart(b'Content-Disposition: form-data; name="x"\r\n\r\ny')),),
        422,
        "`file`",
    ),
    Row("a form that is cut", (post("/predict", FORM, body=b"--B\r\n"),), 400, "not whole"),
    Row(
        "JSON where a form is due",
        (post("/predict", "Content-Type: application/json", body=b"[" * 30_000),),
        422,
        "form",
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_in(tmp_path_factory.mktemp("site"), max_upload_mb=MAX_MB)


def _impatient(phase: Phase) -> float:
    _, seconds = phase.value
    return seconds if phase is Phase.IDLE or seconds == float("inf") else SILENT


@pytest.fixture(scope="module")
def browser(site: Site) -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "SILENT_SECONDS", SILENT)
        patch.setattr(listener, "SWEEP_SECONDS", SILENT / 2)
        patch.setattr(Phase, "seconds", property(_impatient))
        with browsing(site) as browser:
            yield browser


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_each_client_gets_its_answer_and_the_next_one_too(browser: Browser, row: Row) -> None:
    with HttpClient(browser.url) as client:
        client.send(*row.sent)
        answer = client.answer()
    assert answer.status == row.status, answer
    assert row.words in answer.text
    assert browser.get("/health/live").status_code == 200


def test_a_client_that_leaves_within_its_body_is_no_bug(browser: Browser) -> None:
    with capture_logs() as logged:
        with HttpClient(browser.url) as client:
            client.send(store("Content-Length: 1000"), b"--B\r\n")
        assert stow(browser, encoded(dx())).status_code == 200
    assert "bug" not in [each["event"] for each in logged]


@pytest.fixture
def crowd(browser: Browser) -> Iterator[list[HttpClient]]:
    """More connections than the server takes."""
    with ExitStack() as stack:
        count = listener.MOST_CONNECTIONS + 20
        yield [stack.enter_context(HttpClient(browser.url)) for _ in range(count)]


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHo"], ids=["silent", "half a head"])
def test_clients_that_say_nothing_keep_nobody_out(
    browser: Browser, crowd: list[HttpClient], sent: bytes
) -> None:
    for client in crowd:
        client.send(sent)
    assert browser.get("/health/live").status_code == 200
    assert stow(browser, encoded(dx())).status_code == 200
    assert all(client.is_closed() for client in crowd)


def test_bodies_that_do_not_come_keep_nobody_out_and_have_no_name(
    browser: Browser, site: Site, crowd: list[HttpClient]
) -> None:
    targets = [(STORE, DICOM), ("/predict", FORM), ("/login", FIELDS)]
    for number, client in enumerate(crowd):
        target, kind = targets[number % len(targets)]
        client.send(post(target, kind, "Content-Length: 1000"), b"--B\r\n")
    assert browser.get("/health/live").status_code == 200
    assert list((site.settings.data_dir / "uploads").iterdir()) == []  # nothing is left by a kill now
    assert {client.answer().status for client in crowd} <= {CLOSED, 408, 429, 503}
    assert stow(browser, encoded(dx())).status_code == 200


def test_a_client_that_does_not_read_its_answers_is_dropped(browser: Browser) -> None:
    with HttpClient(browser.url, receive_buffer=4096) as client:
        client.send(request("/openapi.json") * 2000)  # tens of megabytes of answers
        assert client.is_dropped()
    assert browser.get("/health/live").status_code == 200


def test_a_client_that_does_not_read_its_download_is_dropped(browser: Browser, site: Site) -> None:
    source = dx()
    source.Rows, source.Columns, source.PixelData = 2000, 2000, bytes(8_000_000)
    add_image(site, 900, source)
    with HttpClient(browser.url, receive_buffer=4096) as client:
        client.send(request(f"/instances/{source.SOPInstanceUID}/download/source"))
        assert client.is_dropped()
    assert browser.get("/health/live").status_code == 200


def test_what_follows_a_request_with_a_wrong_framing_is_not_answered(browser: Browser) -> None:
    hidden = request("/api/instances")
    both = store(CHUNKED, "Content-Length: 5", body=b"0\r\n\r\n")
    with HttpClient(browser.url) as client:
        client.send(both + hidden)
        assert client.answer().status == 400
        assert client.is_closed()


def test_a_slow_but_steady_body_is_taken(browser: Browser) -> None:
    body = multipart(part(encoded(dx())))
    step = len(body) // 4 + 1
    with HttpClient(browser.url) as client:
        client.send(store(f"Content-Length: {len(body)}"))
        for begin in range(0, len(body), step):
            client.send(body[begin : begin + step])
        assert client.answer().status == 200


def test_requests_in_one_piece_are_answered_in_order(browser: Browser) -> None:
    with HttpClient(browser.url) as client:
        client.send(request("/health/live") + request("/nothing") + request("/health/live"))
        assert [client.answer().status for _ in range(3)] == [200, 404, 200]


def test_requests_without_end_in_one_piece_hold_up_nobody(browser: Browser) -> None:
    with HttpClient(browser.url) as client:
        client.send(request("/health/live") * 500)
        assert browser.get("/health/live").status_code == 200
        assert {client.answer().status for _ in range(500)} == {200}


def test_a_connection_has_so_many_requests(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "MOST_REQUESTS", 3)
    with HttpClient(browser.url) as client:
        client.send(request() * 10)
        answers = [client.answer() for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, CLOSED]
    assert ["connection: close" in answer.text for answer in answers] == [False, False, True, False]
