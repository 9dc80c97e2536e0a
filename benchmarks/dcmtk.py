"""Runs DCMTK's storescp and dcmsend, the independent peers of the measurements."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("storescp", "dcmsend")


@dataclass(frozen=True, slots=True)
class StoreScp:
    """A running storescp on loopback."""

    port: int
    pid: int


def missing() -> list[str]:
    """Return the programs that are not installed."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@contextmanager
def storescp(folder: Path, *options: str, port: int | None = None) -> Iterator[StoreScp]:
    """Run a storescp, on a free port by default, that writes received bytes to `folder`."""
    port = port or free_port()
    common = ["--max-pdu", "131072", "--bit-preserving", "-q", "-od", str(folder)]
    with subprocess.Popen(["storescp", *common, *options, str(port)]) as process:
        try:
            _wait_until_listening(port)
            yield StoreScp(port, process.pid)
        finally:
            process.terminate()


def dcmsend(port: int, folder: Path) -> list[str]:
    """Return the command that sends a folder over one association."""
    options = ["-q", "-aec", "CXR_GATEWAY", "--scan-directories", "--no-uid-checks"]
    return ["dcmsend", *options, "127.0.0.1", str(port), str(folder)]


def free_port() -> int:
    """Return a free port on loopback."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_until_listening(port: int) -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            continue
        return
