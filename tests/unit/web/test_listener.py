"""The web port where the system has nothing left for a connection."""

import asyncio
import errno
import os
import socket
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.web import listener
from gateway.web.listener import Connections, Listener
from tests.support.descriptors import none_left


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


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.read(1))
    writer.close()


def _answers(*clients: tuple[socket.socket, bytes]) -> list[bytes]:
    """Return what each client is answered by a server that has no descriptor left; they come one by one."""

    async def serve() -> list[bytes]:
        loop, listening = asyncio.get_running_loop(), Listener()
        listening.bind(("127.0.0.1", 0))
        listening.connections = Connections()
        answers = []
        async with await asyncio.start_server(_echo, sock=listening):
            with none_left():
                for client, said in clients:
                    client.setblocking(False)
                    await loop.sock_connect(client, listening.getsockname())
                    await loop.sock_sendall(client, said)
                    answers.append(await loop.sock_recv(client, 1) if said else b"")
        return answers

    return asyncio.run(serve())


def test_a_connection_is_answered_where_no_descriptor_is_left() -> None:
    with socket.socket() as first, socket.socket() as second:
        assert _answers((first, b"1"), (second, b"2")) == [b"1", b"2"]


def test_a_silent_connection_makes_way_where_no_descriptor_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncio.constants.ACCEPT_RETRY_DELAY", 0.01)
    monkeypatch.setattr(listener, "STAYS_SECONDS", 0.0)
    with socket.socket() as silent, socket.socket() as second:
        assert _answers((silent, b""), (second, b"2")) == [b"", b"2"]
