"""Lets `ps` show a forked process's own command in the place of the command of the process that it was."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_ARG_START, _ARG_END = 48, 49  # fields of /proc/self/stat, counted from 1 (proc_pid_stat(5))
_PR_SET_NAME = 15  # prctl(2)


def show_command(arguments: Sequence[str]) -> None:
    """Show `gateway` and the arguments, as far as there is room; nothing happens outside Linux."""
    with suppress(OSError, ValueError, IndexError):
        # the name of the program, field 2, may hold spaces
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        start, end = (int(fields[number - 3]) for number in (_ARG_START, _ARG_END))
        command = "\0".join(["gateway", *arguments]).encode()[: end - start - 1]
        if start and command:
            ctypes.memmove(start, command.ljust(end - start, b"\0"), end - start)
        ctypes.CDLL(None).prctl(_PR_SET_NAME, f"gateway {arguments[0]}".encode()[:15], 0, 0, 0)
