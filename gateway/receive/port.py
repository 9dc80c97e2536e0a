"""The DICOM port: its listening socket, and the share that one of several receivers has in it.

The supervisor binds the port and hands the socket down to its receivers; a receiver that runs alone binds it
itself. A supervisor's port stays bound while receivers die and return: connections wait for the next one.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from secrets import randbits

from gateway.errors import ConfigurationError
from gateway.settings import SCP

WAITING_CONNECTIONS = 128
"""Connections that wait in the kernel to be accepted."""

_EVERY_ADDRESS = "::"


def new_host_key() -> int:
    """Return a key that no other host has, of 63 bits."""
    return randbits(63)


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one receiver in the port and its limits; the default is a receiver that runs alone.

    Attributes
    ----------
    number
        Of this receiver, from 0.
    receivers
        Number of receivers on the port.
    listening
        Descriptor of the listening socket; None: the receiver binds the port itself.
    places
        Descriptor of the places that all receivers share (`places`); None: they are its own.
    host
        Key of the receivers that share them, among those of all hosts (`store.receivers`).
    """

    number: int = 0
    receivers: int = 1
    listening: int | None = None
    places: int | None = None
    host: int = field(default_factory=new_host_key)

    def of(self, limit: int) -> int:
        """Return an equal share of a limit, at least 1."""
        return max(1, limit // self.receivers)

    def listen(self, scp: SCP) -> socket.socket:
        """Return the listening socket; see `listen`."""
        return listen(scp) if self.listening is None else socket.socket(fileno=self.listening)


ALONE = Share()


def listen(scp: SCP) -> socket.socket:
    """Bind the port, and listen.

    Raises
    ------
    ConfigurationError
        If something else listens there, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in scp.bind else socket.AF_INET
    try:
        return socket.create_server(
            (scp.bind, scp.port),
            family=family,
            backlog=WAITING_CONNECTIONS,
            dualstack_ipv6=scp.bind == _EVERY_ADDRESS,
        )
    except OSError as error:
        where, why = f"{scp.bind}:{scp.port}", error.strerror or error
        problem = f"scp.port: cannot listen on {where} ({why}); is a gateway running?"
        raise ConfigurationError(problem) from None
