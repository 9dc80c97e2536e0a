"""A scripted DICOMweb server on loopback: takes, refuses, redirects, hangs up."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """Gives each request the next of its answers, the last one again and again."""

    daemon_threads = True

    def __init__(self, answers: list[tuple[int, str, str]]) -> None:
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
        status, media_type, body = answers.pop(0) if len(answers) > 1 else answers[0]
        if status == 0:
            self.close_connection = True
            return
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body.encode())

    def handle(self) -> None:
        """Let a client that breaks the connection go without a traceback."""
        with suppress(OSError):
            super().handle()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def server(*answers: tuple[int, str, str], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
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


def plain(status: int) -> tuple[int, str, str]:
    """An answer that says nothing but its status."""
    return status, "text/plain", "words"
