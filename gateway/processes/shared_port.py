"""The DICOM port as the supervisor holds it for the receivers: the socket, and the places of associations."""

from __future__ import annotations

from gateway.receive.places import make_places
from gateway.receive.port import listen, new_host_key
from gateway.settings import SCP
from gateway.settings.processes import receiver_count


class SharedPort:
    """The port, bound once; receivers come and go, and connections wait for the next one meanwhile.

    Raises
    ------
    ConfigurationError
        If the port cannot be bound.
    """

    def __init__(self, scp: SCP) -> None:
        self._receivers = receiver_count(scp)
        self._socket = listen(scp)
        self._places = make_places(scp)
        self._host = new_host_key()

    @property
    def descriptors(self) -> tuple[int, int]:
        """The descriptors that a receiver inherits."""
        return self._socket.fileno(), self._places

    def arguments(self, number: int) -> list[str]:
        """Return the arguments by which a receiver learns its share."""
        return ["--share", *map(str, (number, self._receivers, *self.descriptors, self._host))]

    def close(self) -> None:
        """Close the supervisor's copy: the port refuses connections once the receivers have closed theirs."""
        self._socket.close()
