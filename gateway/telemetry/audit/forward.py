"""Forwards the audit trail's files to a syslog collector (PS3.15 A.6).

The trail starts one forwarder per process. Entries that the collector could not take stay in the files and
are sent once it is back: at least once, in order.
"""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from gateway.errors import Retry
from gateway.files.atomic import replace_file
from gateway.files.lock import open_lock, try_lock
from gateway.settings import Syslog
from gateway.telemetry.audit.syslog import Collector
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.threads import Vital

POLL_SECONDS = 0.5
LONGEST_DELAY = 60.0
BYTES_AT_ONCE = 256 * 1024
STOP_SECONDS = 5.0
DAY_SETTLES_SECONDS = 60.0  # so long after midnight a process may still write to yesterday's file


class Forwarder:
    """A thread that sends the lines of the files in order, and keeps its position in a file.

    One process of all that share the folder does it: the one that holds the lock. After a crash, or where an
    acknowledgement is missing, messages are sent again: at least once, never less.
    """

    def __init__(self, folder: Path, settings: Syslog) -> None:
        self._folder = folder
        self._position = folder / "syslog.json"
        self._collector = Collector(settings)
        self._lock: int | None = None
        self._away = False
        self._stopping = threading.Event()
        self._thread = Vital(self._run, "audit to syslog")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send the remaining lines if the collector is there, then end."""
        self._thread.release()
        self._stopping.set()
        self._thread.join(STOP_SECONDS)

    def file_to_send(self) -> str:
        """Return the name of the first file that is not sent completely."""
        return self._read_position()[0]

    def _run(self) -> None:
        delay = POLL_SECONDS
        while not self._stopping.wait(delay):
            delay = POLL_SECONDS if self._tried() else min(max(1.0, 2 * delay), LONGEST_DELAY)
        if not self._away:
            self._tried()
        self._collector.close()
        if self._lock is not None:
            os.close(self._lock)

    def _tried(self) -> bool:
        """Send everything there is; False where it did not go."""
        try:
            while self._leads() and self._send_some():
                pass
        except (Retry, OSError) as error:  # such as a full disk, or no descriptor for a file
            self._tell(str(error))
        except Exception:
            log_bug(Event.BUG, task="audit to syslog")
            self._away = True
        return not self._away

    def _tell(self, error: str) -> None:
        """Log once that the collector is away."""
        if not self._away:
            log_event(Event.AUDIT_WAITING, collector=str(self._collector), reason=error)
        self._away = True

    def _leads(self) -> bool:
        if self._lock is None:
            descriptor = open_lock(self._folder / "syslog.lock")
            if not try_lock(descriptor):
                os.close(descriptor)
                return False
            self._lock = descriptor
        return True

    def _send_some(self) -> bool:
        """Send the next lines of the file in hand; False when there are none."""
        name, offset = self._read_position()
        lines = self._lines(name, offset)
        if not lines:
            following = self._following(name)
            if following is None:
                return False
            self._write_position(following, 0)
            return True
        self._collector.send([line.rstrip(b"\n") for line in lines])
        self._write_position(name, offset + sum(map(len, lines)))
        if self._away:
            log_event(Event.AUDIT_CAUGHT_UP, collector=str(self._collector))
            self._away = False
        return True

    def _lines(self, name: str, offset: int) -> list[bytes]:
        """Return whole lines only: the last may still be on its way."""
        with suppress(FileNotFoundError), (self._folder / name).open("rb") as file:
            file.seek(offset)
            return [line for line in file.readlines(BYTES_AT_ONCE) if line.endswith(b"\n")]
        return []

    def _following(self, name: str) -> str | None:
        """Return the next day's file, once nobody writes to this one any more."""
        with suppress(FileNotFoundError):
            if time.time() - (self._folder / name).stat().st_mtime < DAY_SETTLES_SECONDS:
                return None
        return min((each for each in self.names() if each > name), default=None)

    def names(self) -> list[str]:
        """Return the names of the files, which are sent in their order."""
        return [path.name for path in self._folder.glob("audit-*.log")]

    def _read_position(self) -> tuple[str, int]:
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            kept = json.loads(self._position.read_text())
            return str(kept["file"]), int(kept["offset"])
        return min(self.names(), default=""), 0

    def _write_position(self, name: str, offset: int) -> None:
        replace_file(self._position, json.dumps({"file": name, "offset": offset}).encode())
