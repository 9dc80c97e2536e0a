"""An S3 server as a process, with objects on disk, that can be killed within a PUT and started again.

A file `half` or `kept` in its folder makes the next PUT stop there: after half of the body, or once the
object is kept and before the answer. The server then writes `stopped`, and is there to be killed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, MutableMapping
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote

import requests

from tests.support.free_ports import free_port
from tests.support.gateway_process import wait_for
from tests.support.s3_server import Kept, S3Server


class Objects(MutableMapping[str, Kept]):
    """Objects as files, each there whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __getitem__(self, key: str) -> Kept:
        path = self.path(key)
        try:
            return Kept(path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, UTC))
        except FileNotFoundError as error:
            raise KeyError(key) from error

    def __setitem__(self, key: str, kept: Kept) -> None:
        draft = self._folder / "draft"
        draft.write_bytes(kept.content)
        draft.rename(self.path(key))
        stop_where_asked(self._folder.parent, "kept")

    def __delitem__(self, key: str) -> None:
        self.path(key).unlink()

    def __iter__(self) -> Iterator[str]:
        return (unquote(path.name) for path in self._folder.iterdir() if path.name != "draft")

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def path(self, key: str) -> Path:
        return self._folder / quote(key, safe="")


class ServerOnDisk(S3Server):
    """The server within its process."""

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(port)
        self._folder = folder
        self.objects = Objects(folder / "objects")

    def read(self, body: BinaryIO, size: int) -> bytes:
        """Read a body, and stop in the middle where a test asks for it."""
        half = body.read(size // 2)
        stop_where_asked(self._folder, "half")
        return half + body.read(size - size // 2)


def stop_where_asked(folder: Path, place: str) -> None:
    if (folder / place).exists():
        (folder / place).unlink()
        (folder / "stopped").touch()
        threading.Event().wait()


class S3Process:
    """The server as tests see it."""

    def __init__(self, folder: Path) -> None:
        (folder / "objects").mkdir(parents=True)
        self._folder = folder
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.objects = Objects(folder / "objects")

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.support.s3_on_disk", str(self._folder), str(self._port)]
        self._process = subprocess.Popen(command)
        wait_for(self._answers)

    def stop_next_put(self, place: str) -> None:
        """Let the next PUT stop after `half` of its body, or once its object is `kept`."""
        (self._folder / place).touch()

    def kill_stopped(self) -> None:
        """Kill the server in the PUT that stopped."""
        wait_for((self._folder / "stopped").exists)
        self.kill()
        (self._folder / "stopped").unlink()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(60)

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the server has ended"
        try:
            return requests.get(f"{self.url}/gateway?list-type=2", timeout=60).ok
        except requests.ConnectionError:
            return False


if __name__ == "__main__":
    server = ServerOnDisk(Path(sys.argv[1]), int(sys.argv[2]))
    server.start()
    threading.Event().wait()
