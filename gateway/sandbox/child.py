"""A child process that does one piece of work after another; `Sandbox` gives it work.

Owner and child share a socket, and neither a lock nor a thread: every wait of the owner ends with the child,
or in time.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any

from gateway.command_name import show_command

END_SECONDS = 5.0
"""The longest wait for the end of a killed child: the kernel holds it while it waits for a disk."""

FAULTS = 3
"""Calls on the socket that may fail in turn, `PAUSE_SECONDS` apart, before the child is given up."""

PAUSE_SECONDS = 0.1

LARGEST_MESSAGE = 1 << 30
"""Bytes. Answers are far smaller: a longer one is announced by a process whose memory is spoilt."""


class Child:
    """A child process and the owner's end of the socket to it.

    An error of `send` or `receive` leaves half a message on its way: only `end` is left to be called.
    """

    def __init__(self, method: str = "spawn", module: str | None = None) -> None:
        self._socket, theirs = socket.socketpair()
        context: Any = multiprocessing.get_context(method)
        self._process = context.Process(target=_serve, args=(theirs, module))
        try:
            with theirs:  # the child alone keeps it: where the child ends, the stream does
                self._process.start()
        except BaseException:
            self._socket.close()
            raise
        self.pid: int = self._process.pid
        atexit.register(self.end)  # multiprocessing would wait for the child

    def send(self, message: bytes, seconds: float) -> None:
        """Send a message; OSError: the child does not have it."""
        _send(self._socket, message, time.monotonic() + seconds)

    def receive(self, seconds: float) -> tuple[Any, Exception | None]:
        """Return what the work has returned, and what it has raised.

        Raises
        ------
        ConnectionError
            The child has ended, or its answer cannot be read.
        TimeoutError
            It has sent no answer in time.
        """
        answer = _receive(self._socket, time.monotonic() + seconds)
        try:
            value, error = pickle.loads(answer)  # noqa: S301 - of the owner's own child
        except MemoryError:
            raise
        except Exception as unreadable:
            raise ConnectionError(f"its answer cannot be read: {unreadable!r}") from unreadable
        return value, error

    def end(self) -> None:
        """Kill the child, even during work."""
        atexit.unregister(self.end)
        self._process.kill()
        with suppress(OSError):
            self._process.join(END_SECONDS)
            self._socket.close()


def hatch(module: str) -> Child:
    """Start a process that imports a module beside what the caller does next, for `Sandbox(hatched=…)`.

    It is a fork of a caller that has imported the module and has no thread and no other child yet.
    """
    is_alone = threading.active_count() == 1 and not multiprocessing.active_children()
    return Child("fork" if is_alone and module in sys.modules else "spawn", module)


def request_for(work: Callable[..., object], *arguments: object) -> bytes:
    """Return the message that asks for a piece of work."""
    return pickle.dumps((work, arguments), pickle.HIGHEST_PROTOCOL)


def _serve(owner: socket.socket, module: str | None) -> None:
    _leave_signals_to_owner()
    if module:
        gc.disable()  # imports leave no garbage
        import_module(module)
        gc.enable()
    with suppress(ConnectionError):  # the owner has ended
        while True:
            _send(owner, _answer(_receive(owner)))


def _answer(request: bytearray) -> bytes:
    try:
        work, arguments = pickle.loads(request)  # noqa: S301 - of the owner
        return pickle.dumps((work(*arguments), None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        error.add_note(traceback.format_exc())  # for the owner's log
        return pickle.dumps((None, _that_travels(error)))


def _that_travels(error: Exception) -> Exception:
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - of this process
    except Exception:
        return RuntimeError(repr(error))
    return error


def _send(end: socket.socket, message: bytes, deadline: float | None = None) -> None:
    missing = memoryview(len(message).to_bytes(8, "big") + message)
    while missing:
        missing = missing[_moved(end, end.send, missing, deadline) :]


def _receive(end: socket.socket, deadline: float | None = None) -> bytearray:
    size = int.from_bytes(_read(end, 8, deadline), "big")
    if size > LARGEST_MESSAGE:
        raise ConnectionError(f"a message of {size} bytes is announced")
    return _read(end, size, deadline)


def _read(end: socket.socket, size: int, deadline: float | None) -> bytearray:
    content = bytearray(size)
    missing = memoryview(content)
    while missing:
        count = _moved(end, end.recv_into, missing, deadline)
        if not count:
            raise ConnectionResetError("the other end is closed")
        missing = missing[count:]
    return content


def _moved(
    end: socket.socket, move: Callable[[memoryview], int], content: memoryview, deadline: float | None
) -> int:
    """Return how many bytes the call has moved. One that fails, as without memory, has moved none."""
    if deadline is not None:
        end.settimeout(max(deadline - time.monotonic(), 0.001))
    for _ in range(FAULTS):
        try:
            return move(content)
        except (ConnectionError, TimeoutError):
            raise
        except OSError:
            time.sleep(PAUSE_SECONDS)
    return move(content)


def _leave_signals_to_owner() -> None:
    """Ignore signals to the process group, and end with the owner."""
    show_command(["sandbox"])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_owner, daemon=True).start()


def _end_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner:
        owner.join()
        os._exit(1)
