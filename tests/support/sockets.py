"""Sockets on loopback: whether somebody listens, connected ones, and how one of them acknowledges."""

from __future__ import annotations

import socket


def listens(host: str, port: int) -> bool:
    """Tell whether somebody takes connections there."""
    try:
        socket.create_connection((host, port)).close()
    except OSError:
        return False
    return True


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        far = socket.create_connection(listening.getsockname())
        near, _ = listening.accept()
    return near, far


def converse(near: socket.socket, far: socket.socket) -> None:
    """Send a few bytes to and fro: from then on Linux delays what `near` acknowledges."""
    for _ in range(3):
        far.sendall(b"?")
        near.recv(1)
        near.sendall(b"!")
        far.recv(1)


def acknowledges_at_once(connection: socket.socket) -> bool:
    """Tell whether the next segment is acknowledged without delay (tcp(7): TCP_QUICKACK)."""
    return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK))
