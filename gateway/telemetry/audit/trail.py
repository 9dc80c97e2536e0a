"""The trail itself: `audit-YYYYMMDD.log` in `DataDirectory.audit`, one file a day (UTC), one message a line.

Callers use `viewed`, `exported` and the other functions at the end of this module, or hand one of them to a
store session, which calls it after the commit. The functions never raise, and return within `WAIT_SECONDS`
also on a disk that hangs, which gets the messages once it is back; before `open_trail` they do nothing.
A `Forwarder` sends the files to a syslog collector.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import wraps
from typing import Concatenate, NamedTuple, ParamSpec

from gateway.errors import ConfigurationError
from gateway.files.line_file import LineFile
from gateway.settings import Settings
from gateway.telemetry.audit import events
from gateway.telemetry.audit.forward import Forwarder
from gateway.telemetry.audit.message import Message, Source, xml_of
from gateway.telemetry.audit.syslog import syslog_line
from gateway.telemetry.events import Event
from gateway.telemetry.line_queue import LineQueue
from gateway.telemetry.log import log_bug, log_event

FILES = "audit-*.log"
WAIT_SECONDS = 2.0  # for the disk, once; then it counts as hanging until it is back

_Arguments = ParamSpec("_Arguments")


class _Entry(NamedTuple):
    """One line of the trail; `name` is of the event."""

    name: str
    day: date
    line: bytes

    @classmethod
    def of_dropped(cls, count: int) -> _Entry:
        """Say in the log that messages are missing."""
        reason = f"{count} messages were dropped while the disk hung"
        log_event(Event.AUDIT_FAILED, audit_event="several", reason=reason)
        return cls("several", datetime.now(UTC).date(), b"")


class Trail:
    """One process's end of the audit trail.

    Raises
    ------
    ConfigurationError
        If the folder cannot be written.
    """

    def __init__(self, settings: Settings) -> None:
        rules = settings.audit
        ae_title = settings.scp.ae_title
        host = socket.gethostname()
        self._source = Source(rules.source_id or ae_title, rules.site_id, ae_title, host)
        self._keep_days = rules.keep_days
        self._folder = settings.directory.audit
        self._day: date | None = None
        self._file: LineFile
        self._forwarder = Forwarder(self._folder, rules.syslog) if rules.syslog else None
        try:
            self._file_of(datetime.now(UTC).date())
        except OSError as error:
            raise ConfigurationError(f"data_dir: {self._folder}: {error.strerror}") from None
        self._queue = LineQueue(self._write, _Entry.of_dropped, "audit trail")
        if self._forwarder:
            self._forwarder.start()

    def record(
        self,
        build: Callable[Concatenate[Source, datetime, _Arguments], Message],
        *args: _Arguments.args,
        **kwargs: _Arguments.kwargs,
    ) -> None:
        """Write one message; a failure is logged as `audit_failed` and raises nothing."""
        try:
            message = build(self._source, datetime.now(UTC), *args, **kwargs)
            line = syslog_line(message, xml_of(message, self._source), self._source.host)
            self._queue.put(_Entry(build.__name__, message.time.date(), line + b"\n"), WAIT_SECONDS)
        except Exception:
            log_bug(Event.AUDIT_FAILED, audit_event=build.__name__)

    def _write(self, entry: _Entry) -> None:
        try:
            self._file_of(entry.day).append(entry.line)
        except OSError as error:
            log_event(Event.AUDIT_FAILED, audit_event=entry.name, reason=error.strerror or str(error))
        except Exception:
            log_bug(Event.AUDIT_FAILED, audit_event=entry.name)

    def close(self) -> None:
        """Send the remaining lines if the collector is there now; the files keep them for the next start."""
        is_whole = self._queue.close(WAIT_SECONDS)
        if self._forwarder:
            self._forwarder.stop()
        if is_whole:
            self._file.close()

    def _file_of(self, day: date) -> LineFile:
        if day != self._day:
            file = LineFile(self._folder / f"audit-{day:%Y%m%d}.log")  # first: it may fail
            if self._day is not None:
                self._file.close()
            self._file, self._day = file, day
            self._delete_old(day)
        return self._file

    def _delete_old(self, today: date) -> None:
        """Delete files that are older than `keep_days` and completely forwarded."""
        if self._keep_days is None:
            return
        first_kept = f"audit-{today - timedelta(days=self._keep_days):%Y%m%d}.log"
        for path in self._folder.glob(FILES):
            if path.name < first_kept and not (self._forwarder and self._forwarder.waits_for(path.name)):
                with suppress(FileNotFoundError):
                    path.unlink()


_trails: list[Trail] = []  # of this process: none or one


def open_trail(settings: Settings) -> None:
    """Keep the audit trail of this process from now on.

    Raises
    ------
    ConfigurationError
        If the trail's folder cannot be written.
    """
    close_trail()
    _trails.append(Trail(settings))


def close_trail() -> None:
    """Keep none any more."""
    while _trails:
        _trails.pop().close()


def _recorded(
    build: Callable[Concatenate[Source, datetime, _Arguments], Message],
) -> Callable[_Arguments, None]:
    @wraps(build)
    def record(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> None:
        for trail in _trails:
            trail.record(build, *args, **kwargs)

    return record


started = _recorded(events.started)
stopped = _recorded(events.stopped)
received = _recorded(events.received)
refused = _recorded(events.refused)
rejected = _recorded(events.rejected)
sent = _recorded(events.sent)
viewed = _recorded(events.viewed)
patient_shown = _recorded(events.patient_shown)
searched = _recorded(events.searched)
withdrawn = _recorded(events.withdrawn)
exported = _recorded(events.exported)
list_exported = _recorded(events.list_exported)
requeued = _recorded(events.requeued)
queried = _recorded(events.queried)
