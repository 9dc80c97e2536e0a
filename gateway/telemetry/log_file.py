"""The log file `gateway.jsonl`, rotated by size and age.

Several processes append to it; the first one that finds it full or old renames it, under a lock on the file
itself. Lines stay whole and none is lost. The handlers of Python's `logging` rotate within one process only.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.files.line_file import LineFile
from gateway.files.lock import try_lock
from gateway.settings import Log

ROTATED = "gateway-*.jsonl"
MAX_AGE = timedelta(days=1)  # so that what is kept by days goes by days


class LogFile(LineFile):
    """The log file of one process; it follows when another process, or logrotate, renames the file.

    Parameters
    ----------
    rules
        Size in MiB, number and age of the files that are kept: the settings `log.*`.
    """

    def __init__(self, path: Path, rules: Log) -> None:
        self._rules = rules
        super().__init__(path)

    def append(self, line: bytes) -> int:
        """Write one line, and begin a new file where this one is full or old; return its size in bytes."""
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
        if not try_lock(self._descriptor):
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
    """Return the time of the first line, or the present time where there is none."""
    with suppress(OSError, ValueError, KeyError, TypeError), path.open(encoding="utf-8") as file:
        return datetime.fromisoformat(json.loads(file.readline())["time"])
    return datetime.now(UTC)
