"""Ports for programs that cannot be asked which one they took, and for those that are not there."""

import socket

_HELD: list[socket.socket] = []


def free_port() -> int:
    """Return a port of loopback where nobody listens, and which nobody is given who asks for any port.

    It stays bound here: a program that names it may still listen there (SO_REUSEADDR), again and again.
    """
    _HELD.append(held := socket.socket())
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    return int(held.getsockname()[1])
