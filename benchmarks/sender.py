"""A sender in a process of its own: sends files and records the time of each acknowledgement.

`python -m benchmarks.sender AE_TITLE HOST PORT SECONDS FILE…` prints `ready`, reads the time of its first
C-STORE from standard input, sends one file every SECONDS (0: at full speed) and prints a JSON object: the
time of each 0x0000, in seconds since 1970, by SOP Instance UID (the file's name).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.requestor.send import send_files
from gateway.requestor.storage_scu import DicomNode


class Sender:
    """One sender process; `start` starts sending, `acknowledged` waits for its end."""

    def __init__(self, node: DicomNode, seconds: float, files: Sequence[Path]) -> None:
        node_arguments = [node.ae_title, node.host, str(node.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.sender", *node_arguments, str(seconds), *map(str, files)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline().strip() == "ready"

    def start(self, at: float) -> None:
        """Send the first file at the time `at`, in seconds since 1970."""
        assert self._process.stdin
        self._process.stdin.write(f"{at}\n")
        self._process.stdin.flush()

    def acknowledged(self) -> dict[str, float]:
        """Return the time of each 0x0000, in seconds since 1970, by SOP Instance UID."""
        output, _ = self._process.communicate()
        assert self._process.returncode == 0, "a sender failed"
        return {str(uid): float(at) for uid, at in json.loads(output).items()}


def main() -> None:
    """Send the files of the arguments; print the times."""
    ae_title, host, port, seconds, *files = sys.argv[1:]
    node = DicomNode(ae_title, host, int(port), "BENCHMARK")
    print("ready", flush=True)
    start = float(sys.stdin.readline())
    print(json.dumps(send(node, [Path(file) for file in files], start, float(seconds))))


def send(node: DicomNode, files: Sequence[Path], start: float, seconds: float) -> dict[str, float]:
    """Send each file when it is due; return the time of each 0x0000, by SOP Instance UID."""
    acknowledged = {}
    _sleep_until(start)
    for number, sent in enumerate(send_files(files, node), 1):
        assert sent.stored, sent.problem
        acknowledged[sent.file.stem] = time.time()
        _sleep_until(start + number * seconds)
    return acknowledged


def _sleep_until(when: float) -> None:
    time.sleep(max(0.0, when - time.time()))


if __name__ == "__main__":
    main()
