"""`gateway.jsonl` and what it was before: rotated by size and age, by whichever process comes to it."""

from __future__ import annotations

import fcntl
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.files.line_file import LineFile
from gateway.settings import Log

ROTATED = "gateway-*.jsonl"
MAX_AGE = timedelta(days=1)  # so that what is kept by days goes by days


class LogFile(LineFile):
    """The log file. The others of its processes follow by themselves when it is renamed."""

    def __init__(self, path: Path, rules: Log) -> None:
        self._rules = rules
        super().__init__(path)

    def append(self, line: bytes) -> int:
        """Write one line, and begin a new file where this one is full or old."""
        size = super().append(line)
        if size > self._rules.file_mb * 1024 * 1024 or datetime.now(UTC) - self._begun > MAX_AGE:
            with self._lock:
                self._rotate()
        return size

    def _open(self) -> None:
        super()._open()
        self._begun = _begun(self.path)

    def _rotate(self) -> None:
        """Rename the file, unless another process is about to or has done so."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if self.is_current():
            moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
            self.path.rename(self.path.with_name(f"gateway-{moment}.jsonl"))
            self._delete_old()
        self._follow()

    def _delete_old(self) -> None:
        rotated = sorted(self.path.parent.glob(ROTATED), reverse=True)
        for number, path in enumerate(rotated, start=1):
            with suppress(FileNotFoundError):
                if number > self._rules.keep_files or self._is_too_old(path):
                    path.unlink()

    def _is_too_old(self, path: Path) -> bool:
        if self._rules.keep_days is None:
            return False
        age = datetime.now(UTC) - datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return age > timedelta(days=self._rules.keep_days)


def _begun(path: Path) -> datetime:
    """Return the time of the file's first line."""
    with suppress(OSError, ValueError, KeyError, TypeError), path.open(encoding="utf-8") as file:
        return datetime.fromisoformat(json.loads(file.readline())["time"])
    return datetime.now(UTC)
