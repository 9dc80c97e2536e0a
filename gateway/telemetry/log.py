"""The log: one JSON object a line in `DataDirectory.log`, a short readable line on stderr.

Every part calls `log_event`; each process opens its log once. Fields are UIDs, AE titles, codes and figures,
never patient names, patient IDs or accession numbers. A call returns within `WAIT_SECONDS` also on a full or
hanging disk, or where nobody reads stderr, and raises nothing.
"""

from __future__ import annotations

import atexit
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from gateway.errors import ConfigurationError
from gateway.files.data_directory import DataDirectory
from gateway.peer_text import clean
from gateway.settings import Log
from gateway.telemetry.events import Event, Level
from gateway.telemetry.line_queue import LineQueue
from gateway.telemetry.log_file import LogFile

WAIT_SECONDS = 1.0  # for the disk, once; then it counts as hanging until it is back
FLUSH_SECONDS = 1.0
READABLE_CHARACTERS = 160
_LEVELS = {Level.INFO: logging.INFO, Level.WARNING: logging.WARNING, Level.ERROR: logging.ERROR}
ONLY_IN_THE_FILE = {
    "study_instance_uid",
    "result_sop_instance_uid",
    "transfer_syntax_uid",
    "called_ae_title",
    "exception",
}


def open_log(
    directory: DataDirectory, *, role: str, rules: Log | None = None, to_stderr: bool = True
) -> None:
    """Send every event of this process to the log file, and to stderr where people read along.

    Parameters
    ----------
    rules
        When the file is rotated; None for the defaults.
    to_stderr
        False for a command, which prints what its user needs.

    Raises
    ------
    ConfigurationError
        If the log file cannot be opened.
    """
    try:
        file = LogFile(directory.log, rules or Log())
    except OSError as error:
        raise ConfigurationError(f"data_dir: {directory.log}: {error.strerror}") from None
    if to_stderr and sys.stderr is sys.__stderr__ and sys.stderr is not None:  # else it is redirected
        sys.stderr = _Stderr(sys.stderr.fileno())
    structlog.configure(
        processors=[
            structlog.processors.format_exc_info,
            _Tee(file, role, to_stderr),
        ],
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    _silence_libraries()


def _silence_libraries() -> None:
    """Libraries quote malformed values in their messages: a patient name in a bad character set, for one."""
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").disabled = True


def log_event(event: Event, **data: Any) -> None:
    """Write one event with its level; a process that has opened no log writes none."""
    if structlog.is_configured():
        structlog.get_logger().log(_LEVELS[event.level], event, **data)
    for listener in _listeners:
        listener(event, data)


def log_bug(event: Event, **data: Any) -> None:
    """Write one event as an error, with the traceback of the exception that is being handled."""
    if structlog.is_configured():
        structlog.get_logger().error(event, exc_info=True, **data)
    for listener in _listeners:
        listener(event, data)


Listener = Callable[[Event, Mapping[str, Any]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> None:
    """Call `listener` with every event of this process, after it was written. The listener must not raise."""
    _listeners.append(listener)


def listen_no_more(listener: Listener) -> None:
    """Remove a listener."""
    _listeners.remove(listener)


def flush_log() -> None:
    """Wait a moment until stderr has every line: before an exit that waits for nothing."""
    with suppress(Exception):
        sys.stderr.flush()


class _Tee:
    """Writes each event twice: for programs and for people."""

    def __init__(self, file: LogFile, role: str, to_stderr: bool) -> None:
        self._role = role
        self._to_stderr = to_stderr
        self._file = LineQueue(file.append, self._tell_dropped, "log file")

    def __call__(self, _: Any, level: str, fields: structlog.typing.EventDict) -> str:
        event = fields.pop("event")
        self._file.put(self._line(event, level, fields), WAIT_SECONDS)
        if self._to_stderr:
            with suppress(OSError, ValueError):  # nobody reads it any more
                sys.stderr.write(readable(event, self._role, fields))
        raise structlog.DropEvent

    def _line(self, event: str, level: str, fields: structlog.typing.EventDict) -> bytes:
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": time, "event": event, "level": level, "role": self._role, **fields}
        written = json.dumps(line, default=str, ensure_ascii=False) + "\n"
        return written.encode(errors="backslashreplace")

    def _tell_dropped(self, count: int) -> bytes:
        event = Event.LOG_LINES_DROPPED
        return self._line(event, event.level, {"lines": count})


def readable(event: str, role: str, fields: structlog.typing.EventDict) -> str:
    """Return an event as one short line for a terminal, in local time; the file has every field."""
    words = [
        f"{key}={value:.3f}" if isinstance(value, float) else f"{key}={value}"
        for key, value in sorted(fields.items(), key=lambda field: field[0] == "sop_instance_uid")
        if value is not None and key not in ONLY_IN_THE_FILE
    ]
    line = f"{datetime.now().astimezone():%H:%M:%S} {role:<7} {event:<20} {' '.join(words)}"
    return clean(line.rstrip(), READABLE_CHARACTERS) + "\n"


class _Stderr(io.TextIOBase):
    """Standard error of a role, which never blocks: the pipe behind it may be read by nobody."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._queue = LineQueue(self._write_all, self._tell_dropped, "standard error")
        atexit.register(self.flush)

    def write(self, text: str) -> int:
        self._queue.put(text.encode(errors="backslashreplace"))
        return len(text)

    def flush(self) -> None:
        self._queue.flush(FLUSH_SECONDS)

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def _write_all(self, text: bytes) -> None:
        while text:
            text = text[os.write(self._descriptor, text) :]

    def _tell_dropped(self, count: int) -> bytes:
        return f"{count} lines were dropped here: nobody read them\n".encode()
