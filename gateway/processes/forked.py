"""The first process of each role, forked from the supervisor, which has imported what the roles share.

The supervisor forks as its first act: it has no thread, no connection and no file of its own then. A forked
process imports the rest of its role and waits for its order: arguments and descriptors as a command gets
them. Without an order it ends with the supervisor. Whoever starts a role again starts a command.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from subprocess import TimeoutExpired
from typing import NoReturn

from gateway.command_name import show_command

Prepare = Callable[[str], object]
"""Does in a role's process what can be done before the order, given the role's name."""

Run = Callable[[Sequence[str]], object]
"""Runs the ordered command, given its arguments; its return, or `SystemExit`, is the end of the process."""

LOOK_SECONDS = 0.05
ORDER_BYTES = 1 << 16
MOST_DESCRIPTORS = 16


class ForkedRole:
    """A forked process of a role, with the part of `subprocess.Popen` that a supervisor uses.

    Parameters
    ----------
    stdin
        The supervisor's end of the role's standard input, a socket.
    stdout
        Descriptor from which the role's standard output is read.
    """

    def __init__(self, pid: int, stdin: socket.socket, stdout: int) -> None:
        self.pid = pid
        self.stdin = stdin
        self.stdout = open(stdout, encoding="utf-8")  # noqa: SIM115 - `close_pipes` of the supervisor
        self.returncode: int | None = None
        self._waiting = threading.Lock()

    def order(self, arguments: Sequence[str], descriptors: Sequence[int]) -> None:
        """Let the process run this command; it has the descriptors by the same numbers.

        Raises
        ------
        OSError
            The process has ended.
        """
        order = json.dumps({"arguments": list(arguments), "descriptors": list(descriptors)}).encode()
        socket.send_fds(self.stdin, [order], list(descriptors))

    def poll(self) -> int | None:
        """Return the exit status, negative after a signal; None while the process runs."""
        with self._waiting:
            return self._noted_status()

    def _noted_status(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._exit_status()
        return self.returncode

    def _exit_status(self) -> int | None:
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # SIGCHLD is ignored: it has ended, and nobody knows how
            return 0
        return os.waitstatus_to_exitcode(status) if pid else None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once the process has ended; `TimeoutExpired` after `timeout` seconds."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(LOOK_SECONDS)
        return status

    def terminate(self) -> None:
        """Ask the process to end."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with self._waiting:  # a number that was waited for is nobody's, or another process's
            if self._noted_status() is None:
                os.kill(self.pid, number)


def fork_roles(names: Iterable[str], prepare: Prepare, run: Run) -> dict[str, ForkedRole]:
    """Fork a process for each role, by its name; those for which there is no process or memory are left out.

    None is forked where the caller has other threads: a fork inherits their locks, but not them.
    """
    forked: dict[str, ForkedRole] = {}
    if threading.active_count() > 1:
        return forked
    with suppress(OSError):
        for name in names:
            forked[name] = _forked(name, prepare, run, forked.values())
    return forked


def _forked(name: str, prepare: Prepare, run: Run, others: Iterable[ForkedRole]) -> ForkedRole:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        for other in others:  # it would not hear that the supervisor has ended
            other.stdin.close()
            other.stdout.close()
        ours.close()
        os.close(reading)
        _become_role(name, prepare, run, theirs, writing)
    theirs.close()
    os.close(writing)
    return ForkedRole(pid, ours, reading)


def _become_role(name: str, prepare: Prepare, run: Run, stdin: socket.socket, stdout: int) -> NoReturn:
    """Live the life of the forked process; its stack is the supervisor's, so that nothing is returned."""
    status = 1
    try:
        os.setsid()
        os.dup2(stdin.fileno(), 0)
        os.dup2(stdout, 1)
        os.close(stdout)
        show_command(name.split())
        prepare(name)
        arguments = _ordered(stdin)
        if arguments:
            show_command(arguments)
            run(arguments)
            status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        traceback.print_exc()
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _ordered(stdin: socket.socket) -> list[str]:
    """Return the arguments of the order, with its descriptors in place; none if the supervisor has ended."""
    sent, received, _, _ = socket.recv_fds(stdin, ORDER_BYTES, MOST_DESCRIPTORS)
    stdin.close()  # standard input is the same socket
    if not sent:
        return []
    order = json.loads(sent)
    _place(received, order["descriptors"])
    return list(order["arguments"])


def _place(received: Sequence[int], wanted: Sequence[int]) -> None:
    """Move descriptors to their numbers; one whose number `prepare` has taken is held by another."""
    beyond = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, max(wanted) + 1) for descriptor in received]
    for descriptor in received:
        os.close(descriptor)
    for descriptor, number in zip(beyond, wanted, strict=True):
        if not _is_open(number):
            os.dup2(descriptor, number)
            os.close(descriptor)


def _is_open(descriptor: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_GETFD)
    except OSError:
        return False
    return True
