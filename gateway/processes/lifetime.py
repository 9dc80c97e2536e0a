"""The life of one role's process: when it ends, and how its supervisor hears that it serves and lives.

Every role makes one `Lifetime` before it imports anything that takes seconds. A supervised role ends with its
supervisor; a role whose vital thread has ended or hangs ends by itself, so that it is started again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from _thread import start_new_thread
from contextlib import suppress
from typing import Any

from gateway.processes.notify import READY as READY_STATE
from gateway.processes.notify import STOPPING, WATCHDOG, notify
from gateway.telemetry.events import Event
from gateway.telemetry.log import flush_log, log_event
from gateway.threads import failed_vital

READY = "ready"
"""The first word that a supervised role writes to its standard output, once it serves."""

HEARTBEAT_SECONDS = 5.0
"""Interval of the empty lines that it then writes: its process is neither stopped nor stuck."""

LOOK_SECONDS = 1.0
"""Interval at which the main thread wakes. Python runs signal handlers there alone; a signal that came to
another thread, or as the main thread went to sleep, does not wake it."""


def heed_signals(ending: threading.Event) -> dict[signal.Signals, Any]:
    """Set `ending` by SIGTERM, by Ctrl-C, and by the end of the terminal unless it is ignored (`nohup`).

    Return the former handlers by signal.
    """
    heeded = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    return {number: signal.signal(number, lambda *_: _set_beside(ending)) for number in heeded}


def _set_beside(event: threading.Event) -> None:
    """Set an event in another thread: the interrupted one may hold its lock, as when it is about to wait."""
    try:
        start_new_thread(event.set, ())
    except RuntimeError:  # no thread is left; the lock is held for an instant only
        event.set()


class Lifetime:
    """Ends by SIGTERM, SIGINT or SIGHUP; where a supervisor started the role, with the supervisor, too.

    Attributes
    ----------
    ending
        Set once the role is to end.
    """

    def __init__(self, *, supervised: bool) -> None:
        self.is_supervised = supervised
        self.ending = threading.Event()
        heed_signals(self.ending)
        if supervised:
            threading.Thread(target=_end_with_parent, name="parent watchdog", daemon=True).start()

    def announce(self, **data: object) -> None:
        """Tell the supervisor and the log that the role serves, and begin the heartbeat."""
        if self.ending.is_set():
            return
        self._tell_supervisor(f"{READY} {' '.join(f'{key}={value}' for key, value in data.items())}")
        log_event(
            Event.STARTED if self.is_supervised else Event.READY, **data
        )  # the supervisor knows it already
        self._tell_manager(READY_STATE)
        threading.Thread(target=self._beat, name="heartbeat", daemon=True).start()

    def wait(self) -> None:
        """Wait for the signal to end."""
        while not self.ending.wait(LOOK_SECONDS):
            pass
        self._tell_manager(STOPPING)

    def _beat(self) -> None:
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            end_if_a_thread_failed()
            self._tell_supervisor("")
            self._tell_manager(WATCHDOG)

    def _tell_supervisor(self, line: str) -> None:
        if self.is_supervised:
            with suppress(OSError):  # without a supervisor the role is about to end
                os.write(sys.stdout.fileno(), f"{line}\n".encode())

    def _tell_manager(self, state: str) -> None:
        if not self.is_supervised:  # else the supervisor tells systemd of all its roles
            notify(state)


def end_if_a_thread_failed() -> None:
    """End this process where a vital thread has ended or hangs, so that the role is started again whole."""
    for name, problem in failed_vital().items():
        log_event(Event.THREAD_FAILED, thread=name, problem=problem)
        flush_log()
        os._exit(1)


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the supervisor, which holds the other end, is gone
    os._exit(1)
