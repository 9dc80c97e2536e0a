"""The network of the cluster: one switch, and a cable to each host.

The experiment itself sits at the switch. A cut cable loses every packet, without a word to either side.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SWITCH = "switch"
PREFIX = "10.77.0."
HERE = f"{PREFIX}1"
"""Address of the experiment: its senders."""

_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Network:
    """A switch in this process's network namespace, which it has to itself."""

    def __init__(self) -> None:
        _NAMESPACES.mkdir(exist_ok=True)
        _run("mount", "-t", "tmpfs", "hosts", str(_NAMESPACES))
        _ip("link set lo up")
        _ip(f"link add {SWITCH} type bridge")
        _ip(f"addr add {HERE}/24 dev {SWITCH}")
        _ip(f"link set {SWITCH} up")
        self._addresses: dict[str, str] = {}

    def add(self, host: str) -> str:
        """Lay a cable to a new host; return the host's address."""
        address = f"{PREFIX}{len(self._addresses) + 10}"
        _ip(f"netns add {host}")
        _ip(f"link add {host} type veth peer name eth0 netns {host}")
        _ip(f"link set {host} master {SWITCH} up")
        _ip(f"-n {host} link set lo up")
        _ip(f"-n {host} addr add {address}/24 dev eth0")
        _ip(f"-n {host} link set eth0 up")
        self._addresses[host] = address
        return address

    def cut(self, host: str) -> None:
        """Cut the cable."""
        _ip(f"link set {host} down")

    def mend(self, host: str) -> None:
        """Mend the cable."""
        _ip(f"link set {host} up")

    @contextmanager
    def at(self, host: str) -> Iterator[None]:
        """Open the sockets of this thread at a host, for the length of a block."""
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        its = os.open(_NAMESPACES / host, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(its)
            yield
        finally:
            _enter(own)
            os.close(its)
            os.close(own)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def _ip(arguments: str) -> None:
    _run("ip", *arguments.split())


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
