"""An audit record repository: takes syslog over TLS (RFC 5425) on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.certificates import Certificate


@dataclass
class SyslogCollector:
    """What arrived, in order."""

    port: int
    messages: list[bytes] = field(default_factory=list)

    def take(self, connection: ssl.SSLSocket) -> None:
        """Read octet-counted messages until the sender ends."""
        with suppress(OSError), connection, connection.makefile("rb") as stream:
            while length := _number(stream):
                self.messages.append(stream.read(length))


def _number(stream: object) -> int:
    digits = b""
    while (byte := stream.read(1)).isdigit():  # type: ignore[attr-defined]
        digits += byte
    return int(digits or b"0")


@contextmanager
def syslog_collector(server: Certificate, ca: Path, port: int = 0) -> Iterator[SyslogCollector]:
    """Run a collector that asks its senders for certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_REQUIRED
    listening = socket.create_server(("127.0.0.1", port))
    collector = SyslogCollector(listening.getsockname()[1])
    connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with suppress(OSError):
                connections.append(context.wrap_socket(plain, server_side=True))
                threads.append(threading.Thread(target=collector.take, args=(connections[-1],)))
                threads[-1].start()
            plain.close()

    threads = [threading.Thread(target=serve)]
    threads[0].start()
    try:
        yield collector
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        threads[0].join()
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads[1:]:
            thread.join()
