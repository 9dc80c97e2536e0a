"""An S3 server that keeps objects in memory and does to the next requests what a test asks for."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import defaultdict
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from gateway.settings import S3Store

BUCKET = "gateway"


ENDS = "<IsTruncated>false</IsTruncated>"


def utc_now() -> datetime:
    """Return the server's time."""
    return datetime.now(UTC)


class Fault(Enum):
    """What happens to a request."""

    ERROR = auto()  # 500, nothing kept
    SLOW_DOWN = auto()  # 503
    DENIED = auto()  # 403
    STALL = auto()  # no answer while the server runs, nothing kept
    KEPT_IN_SILENCE = auto()  # kept, and no answer: 200 would come after the client has given up
    FORGOTTEN = auto()  # 200, nothing kept
    DAMAGED = auto()  # 200, other bytes of the same length kept
    BROKEN_OFF = auto()  # the answer ends in the middle


@dataclass
class Kept:
    """An object."""

    content: bytes
    modified: datetime = field(default_factory=lambda: utc_now())


class S3Server:
    """The server; `faults` are taken by the next requests of a method, in order."""

    def __init__(self, port: int = 0) -> None:
        self.objects: MutableMapping[str, Kept] = {}
        self.faults: dict[str, list[Fault]] = defaultdict(list)
        self.requests: list[tuple[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.knows_conditions = True
        self.ending = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def settings(self, **changes: Any) -> S3Store:
        """Return settings for it."""
        keys = {"access_key_id": "tests", "secret_access_key": "tests"}
        values = {"kind": "s3", "bucket": BUCKET, "endpoint": self.url, "timeout_seconds": 2} | keys | changes
        return S3Store.model_validate(values)

    def read(self, body: BinaryIO, size: int) -> bytes:
        """Read the body of a PUT."""
        return body.read(size)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server for the length of a block."""
    server = S3Server()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _handler(server: S3Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            content = server.read(self.rfile, int(self.headers["Content-Length"]))
            fault, key = self._begin("PUT")
            if fault in _REFUSALS:
                self._answer(_REFUSALS[fault])
                return
            if fault is Fault.STALL:
                server.ending.wait()
                return
            if server.knows_conditions and self.headers["If-None-Match"] == "*" and key in server.objects:
                self._answer(412)
                return
            claimed = self.headers["x-amz-checksum-sha256"]
            if claimed and claimed != base64.b64encode(hashlib.sha256(content).digest()).decode():
                self._answer(400)
                return
            if fault is not Fault.FORGOTTEN:
                other = bytes(each ^ 0xFF for each in content[-8:])
                damaged = content[:-8] + other
                server.objects[key] = Kept(damaged if fault is Fault.DAMAGED else content)
            if fault is Fault.KEPT_IN_SILENCE:
                server.ending.wait()
                return
            self._answer(200, headers={"ETag": '"1"'})

        def do_GET(self) -> None:
            fault, key = self._begin("GET")
            if fault in _REFUSALS:
                self._answer(_REFUSALS[fault])
            elif fault is Fault.STALL:
                server.ending.wait()
            elif "?" in self.path and "list-type" in self.path:
                self._answer(
                    200, _listing(server, parse_qs(urlsplit(self.path).query).get("prefix", [""])[0])
                )
            elif key not in server.objects:
                self._answer(404)
            else:
                self._object(server.objects[key], half=fault is Fault.BROKEN_OFF)

        def do_HEAD(self) -> None:
            fault, key = self._begin("HEAD")
            if fault in _REFUSALS:
                self._answer(_REFUSALS[fault])
            elif fault is Fault.STALL:
                server.ending.wait()
            elif key not in server.objects:
                self._answer(404)
            else:
                self._object(server.objects[key])

        def do_DELETE(self) -> None:
            fault, key = self._begin("DELETE")
            if fault in _REFUSALS:
                self._answer(_REFUSALS[fault])
                return
            server.objects.pop(key, None)
            self._answer(204)

        def do_POST(self) -> None:
            """Take the list of a bulk deletion."""
            content = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self._begin("DELETE")
            keys = [part.partition("</Key>")[0] for part in content.split("<Key>")[1:]]
            for key in keys:
                server.objects.pop(key, None)
            told = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
            self._answer(200, f"<DeleteResult>{told}</DeleteResult>")

        def _begin(self, method: str) -> tuple[Fault | None, str]:
            key = unquote(urlsplit(self.path).path).removeprefix(f"/{BUCKET}").lstrip("/")
            server.requests.append((method, key))
            server.headers.append(dict(self.headers))
            return (server.faults[method].pop(0) if server.faults[method] else None), key

        def _answer(self, status: int, body: str = "", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        def _object(self, kept: Kept, *, half: bool = False) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(kept.content)))
            self.send_header("Last-Modified", format_datetime(kept.modified, usegmt=True))
            self.send_header("ETag", '"1"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(kept.content[: len(kept.content) // 2] if half else kept.content)
                self.close_connection = self.close_connection or half

        def log_message(self, *_: Any) -> None:
            """Write nothing."""

    return Handler


_REFUSALS: dict[Fault | None, int] = {Fault.ERROR: 500, Fault.SLOW_DOWN: 503, Fault.DENIED: 403}


def _listing(server: S3Server, prefix: str) -> str:
    entries = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{len(kept.content)}</Size><ETag>1</ETag>"
        f"<LastModified>{kept.modified:%Y-%m-%dT%H:%M:%S.000Z}</LastModified></Contents>"
        for key, kept in sorted(server.objects.items())
        if key.startswith(prefix)
    )
    return f"<ListBucketResult><Name>{BUCKET}</Name>{ENDS}{entries}</ListBucketResult>"
