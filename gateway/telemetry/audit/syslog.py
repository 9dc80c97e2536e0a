"""Syslog as audit messages travel in it (PS3.15 A.6): RFC 5424 messages, RFC 5425 transport over TLS."""

from __future__ import annotations

import os
import socket
import ssl
import termios
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from fcntl import ioctl
from select import POLLIN, poll
from struct import unpack
from time import monotonic, sleep

from gateway.errors import ConfigurationError, Retry
from gateway.settings import Syslog
from gateway.telemetry.audit.message import Message, Outcome
from gateway.tls import client_context, problem_of

SECURITY_AUTHORIZATION = 10  # facility
NOTICE, WARNING = 5, 4  # severities
BOM = b"\xef\xbb\xbf"  # RFC 5424 6.4: what follows is UTF-8

FIRST_WORD_SECONDS = 0.5
"""Wait of a new connection for the collector's objection to our certificate (TLS 1.3)."""

_POLL_SECONDS = 0.005


def syslog_line(message: Message, xml: bytes, host: str) -> bytes:
    """Return a syslog message on one line, without its end."""
    severity = NOTICE if message.outcome is Outcome.SUCCESS else WARNING
    head = (
        f"<{8 * SECURITY_AUTHORIZATION + severity}>1 {_time(message.time)} {host} cxr-gateway {os.getpid()}"
    )
    return head.encode() + b" DICOM+RFC3881 - " + BOM + xml


def _time(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Collector:
    """A connection to an audit record repository, opened when it is needed.

    Syslog knows no acknowledgement. What counts here is that the collector's system has acknowledged the
    bytes (TCP) and that the connection then still stands.
    """

    def __init__(self, settings: Syslog) -> None:
        self._settings = settings
        self._connection: ssl.SSLSocket | None = None

    def __str__(self) -> str:
        return f"{self._settings.host}:{self._settings.port}"

    def send(self, lines: Sequence[bytes]) -> None:
        """Send whole messages.

        Raises
        ------
        Retry
            If the collector is away, refuses us or takes too long; some of them may have arrived.
        """
        try:
            connection = self._open()
            connection.sendall(b"".join(b"%d %s" % (len(line), line) for line in lines))  # RFC 5425 4.3
            self._wait_until_acknowledged(connection)
            self._check_stands(connection, 0)
        except ConfigurationError as error:
            raise Retry(str(error)) from None
        except OSError as error:
            self.close()
            raise Retry(f"{self}: {problem_of(error)}") from None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            with suppress(OSError, ValueError):  # tell it (close_notify), without waiting for its own
                self._connection.setblocking(False)
                self._connection.unwrap()
            self._connection.close()
            self._connection = None

    def _open(self) -> ssl.SSLSocket:
        if self._connection is not None:
            try:
                self._check_stands(self._connection, 0)
            except OSError:  # it was restarted meanwhile
                self.close()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> ssl.SSLSocket:
        host, timeout = self._settings.host, self._settings.timeout_seconds
        context = client_context(self._settings)
        plain = socket.create_connection((host, self._settings.port), timeout)
        try:
            connection = context.wrap_socket(plain, server_hostname=host)
        except OSError:
            plain.close()
            raise
        try:
            self._check_stands(connection, FIRST_WORD_SECONDS)
        except OSError:
            connection.close()
            raise
        return connection

    def _check_stands(self, connection: ssl.SSLSocket, wait_seconds: float) -> None:
        """Raise `OSError` where the collector has closed, or has refused us."""
        polled = poll()  # `select` takes no descriptor beyond 1023
        polled.register(connection, POLLIN)
        if not polled.poll(1000 * wait_seconds):
            return
        connection.setblocking(False)
        try:
            if connection.recv(1) == b"":
                raise ConnectionResetError("the collector has closed it")
        except ssl.SSLWantReadError:
            return  # a session ticket: it is content with us
        finally:
            connection.settimeout(self._settings.timeout_seconds)

    def _wait_until_acknowledged(self, connection: ssl.SSLSocket) -> None:
        deadline = monotonic() + self._settings.timeout_seconds
        while _unacknowledged_bytes(connection):
            if monotonic() > deadline:
                raise TimeoutError("what was sent is not acknowledged")
            sleep(_POLL_SECONDS)


def _unacknowledged_bytes(connection: socket.socket) -> int:
    """Linux, tcp(7): SIOCOUTQ is TIOCOUTQ."""
    (count,) = unpack("i", ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
    return int(count)
