"""The web port where the system has nothing left for a connection."""

import asyncio
import errno
import os
import socket
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.web.listener import Connections, Listener


def test_a_connection_that_nothing_is_left_for_is_told_once_and_accepted_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept = socket.socket.accept
    failures = 3
    tries = 0

    def exhausted(listening: socket.socket) -> Any:
        nonlocal tries
        tries += 1
        if tries <= failures:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return accept(listening)

    async def serve() -> bytes:
        listening = Listener()
        listening.bind(("127.0.0.1", 0))
        listening.connections = Connections()
        greeted: list[bytes] = []
        here = asyncio.Event()

        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()
            greeted.append(b"here")
            here.set()

        async with await asyncio.start_server(greet, sock=listening):
            with socket.create_connection(listening.getsockname()):
                await here.wait()
        return greeted[0]

    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    monkeypatch.setattr(socket.socket, "accept", exhausted)
    with capture_logs() as log:
        assert asyncio.run(serve()) == b"here"
    assert [(each["event"], each["why"]) for each in log] == [
        ("connection_dropped", "accept: Too many open files")
    ]
    assert tries <= failures + 2  # not 2048 times a second
    assert not caplog.records
