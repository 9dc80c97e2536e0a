"""One HTTP/1.1 connection: uvicorn's, stricter about how lines end, and able to tell whose move it is.

`_receive_buffer` is h11's own name: only there can a head be seen before it is parsed.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from http import HTTPStatus
from typing import Any, cast

import h11
from h11._receivebuffer import ReceiveBuffer
from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from gateway.web.listener import Connections, Phase

MOST_HEAD_BYTES = 16 << 10
MOST_REQUESTS = 1000
"""On one connection: a flood in one piece costs half a second of processor time, then it must come again."""
_BARE_LF = re.compile(rb"(?<!\r)\n")
_ANSWERABLE = (h11.IDLE, h11.SEND_RESPONSE)

logging.getLogger("uvicorn.error").disabled = True  # it writes to stderr, past the log, what is logged here


class HttpConnection(H11Protocol):
    """A connection that `Connections` watches and drops."""

    def __init__(self, connections: Connections, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.conn._receive_buffer = _StrictLines()
        self._connections = connections
        self._progress = self._answered = 0

    def connection_made(self, transport: Any) -> None:
        """Begin; a TLS handshake, if any, is over."""
        super().connection_made(transport)
        self._connections.seat(transport.get_extra_info("socket").fileno(), self)

    def phase(self) -> tuple[Phase, int]:
        """Return whose move it is, and a number that changes with the client's progress."""
        return self._phase(), self._progress

    def drop(self) -> None:
        """Close at once, whatever is unsent."""
        self.transport.abort()

    def resume_writing(self) -> None:
        """Note that the client has taken most of what was written."""
        self._progress += 1
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Note that a request has its answer."""
        self._progress += 1
        self._answered += 1
        super().on_response_complete()

    def handle_events(self) -> None:
        """Begin the requests that are there; the last one is told that it is."""
        super().handle_events()
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle and not cycle.response_started and self._answered >= MOST_REQUESTS - 1:
            cycle.keep_alive = False
            cycle.default_headers = [*cycle.default_headers, CLOSE_HEADER]

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with the request, and close; uvicorn calls this while it handles h11's error."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        why = str(error or msg).partition(": bytearray")[0]  # without the peer's own text
        self._connections.note_refused((self.client or ("",))[0], why)
        if self.conn.our_state in _ANSWERABLE:
            self._answer(HTTPStatus(status), f"the request cannot be read: {why}")
        self.transport.close()

    def _answer(self, status: HTTPStatus, detail: str) -> None:
        body = json.dumps({"detail": detail}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        headers.append(("Connection", "close"))
        head = h11.Response(status_code=status, headers=headers, reason=status.phrase.encode())
        for event in (head, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")

    def _phase(self) -> Phase:
        if self.transport.is_closing():
            return Phase.CLOSING
        if self.flow.write_paused:
            return Phase.UNREAD
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None:
            return Phase.NAMELESS
        if not cycle.response_complete:
            return Phase.BODY if cycle.more_body else Phase.ANSWERING
        if self.conn.their_state is h11.SEND_BODY:
            return Phase.LEFT_OVER
        return Phase.HEAD if self.conn.trailing_data[0] else Phase.IDLE


class _StrictLines(ReceiveBuffer):
    """Refuses heads and trailers that are long or that others may read differently (RFC 9112 2.2)."""

    def maybe_extract_lines(self) -> list[bytearray] | None:
        """Return the lines before the first empty one, once that is there."""
        end = self._data.find(b"\r\n\r\n") + 1 or len(self._data)
        if end > MOST_HEAD_BYTES:
            raise h11.LocalProtocolError(f"a head of more than {MOST_HEAD_BYTES >> 10} kB", 431)
        if _BARE_LF.search(self._data, 0, end):
            raise h11.LocalProtocolError("a line ends in LF without CR")
        return super().maybe_extract_lines()
