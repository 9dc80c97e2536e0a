"""The `gateway` command, run within the test's own process: a process of its own costs seconds of imports."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import structlog

from gateway.commands.app import main
from gateway.telemetry.log import flush_log


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


def run_command(*arguments: object, folder: Path | None = None, **environment: str) -> Done:
    """Run `gateway` with these arguments, in a folder; return its exit status and output."""
    stdout, stderr = io.StringIO(), io.StringIO()
    words = ["gateway", *map(str, arguments)]
    with (
        patch.object(sys, "argv", words),
        patch.dict(os.environ, environment),
        chdir(folder or Path.cwd()),
        _umask_kept(),
        redirect_stdout(stdout),
        redirect_stderr(stderr),
    ):
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        finally:
            flush_log()
            structlog.reset_defaults()
    return Done(status, stdout.getvalue(), stderr.getvalue())


@contextmanager
def _umask_kept() -> Iterator[None]:
    before = os.umask(0o022)
    os.umask(before)
    try:
        yield
    finally:
        os.umask(before)
