"""Forwards the audit trail's files to a syslog collector (PS3.15 A.6).

The trail starts one forwarder per process. Entries that the collector could not take stay in the files and
are sent once it is back: at least once, those of a file in order.
"""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from datetime import UTC, datetime
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


class Forwarder:
    """A thread that sends the lines of the files in order, and keeps in a file how far each is sent.

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

    def waits_for(self, name: str) -> bool:
        """Tell whether a file is not sent completely."""
        return bool(self._lines(name, self._read_sent().get(name, 0)))

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
        """Send the next lines of the first file that has some; False when none has."""
        names, sent = sorted(self.names()), self._read_sent()
        if deleted := sent.keys() - set(names):  # which may begin anew after the clock was set back
            sent = {name: offset for name, offset in sent.items() if name not in deleted}
            self._write_sent(sent)
        for name in names:
            offset = sent.get(name, 0)
            if lines := self._lines(name, offset):
                self._collector.send([line.rstrip(b"\n") for line in lines])
                self._write_sent(sent | {name: offset + sum(map(len, lines))})
                if self._away:
                    log_event(Event.AUDIT_CAUGHT_UP, collector=str(self._collector))
                    self._away = False
                return True
        return False

    def _lines(self, name: str, offset: int) -> list[bytes]:
        """Return whole lines only: the last may still be on its way."""
        path = self._folder / name
        with suppress(FileNotFoundError):
            if path.stat().st_size <= offset:
                return []
            with path.open("rb") as file:
                file.seek(offset)
                return [line for line in file.readlines(BYTES_AT_ONCE) if line.endswith(b"\n")]
        return []

    def names(self) -> list[str]:
        """Return the names of the files, which are sent in their order."""
        return [path.name for path in self._folder.glob("audit-*.log")]

    def _read_sent(self) -> dict[str, int]:
        """Return how many bytes of each file are sent: after the clock was set back an older one grows."""
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
            kept = json.loads(self._position.read_text())
            if "sent" in kept:
                return {str(name): int(offset) for name, offset in kept["sent"].items()}
            return self._sent_before(str(kept["file"])) | {str(kept["file"]): int(kept["offset"])}
        return {}

    def _sent_before(self, file: str) -> dict[str, int]:
        """Return what is sent where earlier versions noted one file: those before it, and before today."""
        first_open = min(file, f"audit-{datetime.now(UTC):%Y%m%d}.log")
        return {each: (self._folder / each).stat().st_size for each in self.names() if each < first_open}

    def _write_sent(self, sent: dict[str, int]) -> None:
        replace_file(self._position, json.dumps({"sent": sent}).encode())
