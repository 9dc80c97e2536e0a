"""The health port of a host's receivers: `GET /health/ready` and `/health/live` by HTTP, for load balancers.

Started by the `receive` role where `scp.health_port` is set. Ready means: connections that come now find a
receiver that takes associations. Whether answers follow is the question of `/health/ready` of the web role.
"""

from __future__ import annotations

import json
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock
from time import sleep
from typing import Any

from gateway.errors import ConfigurationError
from gateway.files.spare_descriptor import EXHAUSTED, SpareDescriptor
from gateway.settings import SCP
from gateway.threads import Vital

MOST_CONNECTIONS = 16
"""Connections at the same time; beyond it the oldest is closed."""

SILENT_SECONDS = 5.0
"""Longest pause of a client, in seconds."""

_POLL_SECONDS = 0.2
_HANGS_SECONDS = 60.0  # without a turn of the loop that accepts connections


class HealthPort:
    """Answers on its own port; not ready from `leave` on.

    Parameters
    ----------
    problem
        Returns why associations are not taken now, else None.
    stands_in
        Whether the port is that of a server which has not started yet: `/health/live` fails, too, then.
    """

    def __init__(self, scp: SCP, problem: Callable[[], str | None], *, stands_in: bool = False) -> None:
        self._scp = scp
        self._problem = problem
        self._stands_in = stands_in
        self._leaving = Event()

    def start(self) -> None:
        """Listen, without blocking.

        Raises
        ------
        ConfigurationError
            When the address cannot be bound.
        """
        try:
            answer = partial(_Request, self.why_not_ready, self._stands_in)
            self._server = _Server(self._scp, answer, SpareDescriptor())
        except OSError as error:
            where = f"{self._scp.bind}:{self._scp.health_port}"
            problem = f"scp.health_port: cannot listen on {where} ({error.strerror or error}); choose another"
            raise ConfigurationError(problem) from None
        serve = partial(self._server.serve_forever, _POLL_SECONDS)
        self._thread = Vital(serve, "health port", _HANGS_SECONDS)
        self._server.note_turn = self._thread.note_progress
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """The address and port that are really bound; only between start and stop."""
        host, port, *_ = self._server.server_address
        return str(host), int(port)

    def why_not_ready(self) -> str | None:
        """Return why a load balancer should turn to another host, None where it need not."""
        return "draining" if self._leaving.is_set() else self._problem()

    def leave(self) -> None:
        """Tell load balancers to turn to other hosts."""
        self._leaving.set()

    def stop(self) -> None:
        """Close the port."""
        self._thread.release()
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    note_turn: Callable[[], None]

    def __init__(
        self, scp: SCP, answer: Callable[..., BaseHTTPRequestHandler], spare: SpareDescriptor
    ) -> None:
        if ":" in scp.bind:
            self.address_family = socket.AF_INET6
        self._open: deque[socket.socket] = deque()
        self._lock = Lock()
        self._spare = spare
        super().__init__((scp.bind, scp.health_port or 0), answer)

    def service_actions(self) -> None:
        """Note a turn of the loop."""
        self.note_turn()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection; where the process has no descriptor left, by the spare one."""
        self._spare.keep()
        try:
            return super().get_request()
        except OSError as error:
            if error.errno not in EXHAUSTED:
                raise
            if not self._spare.give_up():  # the connection that has it is closed when it is silent
                sleep(_POLL_SECONDS)
            return super().get_request()

    def server_close(self) -> None:
        """Close the port and the spare descriptor."""
        super().server_close()
        self._spare.give_up()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread; close the oldest connection where there are too many."""
        with self._lock:
            self._open.append(request)
            oldest = self._open.popleft() if len(self._open) > MOST_CONNECTIONS else None
        if oldest is not None:
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection whose answer is sent."""
        with self._lock, suppress(ValueError):
            self._open.remove(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that breaks off is no event."""


class _Request(BaseHTTPRequestHandler):
    timeout = SILENT_SECONDS
    error_message_format = ""

    def __init__(self, why_not_ready: Callable[[], str | None], stands_in: bool, *arguments: Any) -> None:
        self._why_not_ready = why_not_ready
        self._stands_in = stands_in
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer 200 or 503, and say why."""
        if self.path == "/health/live" and not self._stands_in:
            self._answer(HTTPStatus.OK, {"status": "live"})
        elif self.path not in ("/health/ready", "/health/live"):
            self._answer(HTTPStatus.NOT_FOUND, {"status": "there are /health/ready and /health/live"})
        elif why := self._why_not_ready():
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "not ready", "detail": why})
        else:
            self._answer(HTTPStatus.OK, {"status": "ready"})

    do_HEAD = do_GET  # noqa: N815 - the base class looks for this name

    def _answer(self, status: HTTPStatus, told: dict[str, str]) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def version_string(self) -> str:
        """Return the name that the header Server tells."""
        return "gateway"

    def log_message(self, *_: Any) -> None:
        """Write no line: load balancers ask every second."""
