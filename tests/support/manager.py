"""A fake systemd: hears what a process tells over `$NOTIFY_SOCKET`."""

import socket

from tests.support.gateway_process import PATIENCE_SECONDS


class Manager:
    """The manager's end of the notify socket.

    Parameters
    ----------
    address
        Path of the socket; an abstract name begins with a zero byte.
    """

    def __init__(self, address: str) -> None:
        self.variable = address.replace("\0", "@")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(PATIENCE_SECONDS)

    def hear(self) -> str:
        return self._socket.recv(4096).decode()

    def hear_until(self, state: str) -> list[str]:
        """Return what came, the state included."""
        heard = [self.hear()]
        while heard[-1] != state:
            heard.append(self.hear())
        return heard

    def is_silent(self) -> bool:
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(4096)
        except BlockingIOError:
            return True

    def close(self) -> None:
        self._socket.close()
