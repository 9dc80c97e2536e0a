"""A scripted DICOMweb server on loopback: takes, refuses, redirects, hangs up."""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread

Answer = tuple[int, str, str]
STORED: Answer = (200, "application/dicom+json", "the module that names the object")


class Server(ThreadingHTTPServer):
    """Gives each request the next of its answers, the last one again and again; answers no look-up."""

    daemon_threads = True

    def __init__(self, answers: list[Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = answers
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        self.server.headers.append(dict(self.headers))
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        status, media_type, body = answer
        if status == 0:
            self.close_connection = True
            return
        content = module_naming(self.server.bodies[-1]) if answer is STORED else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        if status in (301, 302, 307, 308):
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(content)

    def handle(self) -> None:
        """Let a client that breaks the connection go without a traceback."""
        with suppress(OSError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def module_naming(body: bytes) -> bytes:
    """Return the Store Instances Response to a request with one object: stored."""
    sent = object_in(body)
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sent.SOPClassUID, sent.SOPInstanceUID
    module = Dataset()
    module.ReferencedSOPSequence = [item]
    return module.to_json().encode()


def object_in(body: bytes) -> Dataset:
    """Return the object of a multipart request."""
    content = re.split(rb"\r\n\r\n", body, maxsplit=1)[1]
    return dcmread(BytesIO(content), stop_before_pixels=True)


@contextmanager
def server(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Run a server, over HTTPS given a context."""
    served = Server(list(answers))
    if tls is not None:
        served.socket = tls.wrap_socket(served.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=served.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield served
    finally:
        served.shutdown()
        thread.join()
        served.server_close()


def plain(status: int) -> Answer:
    """An answer that says nothing but its status."""
    return status, "text/plain", "words"
