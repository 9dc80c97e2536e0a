"""Standard output and standard error of the commands: lines, warnings, JSON, progress bars.

Answers go to standard output, everything else to standard error, so that a pipe holds answers alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress

TABLE_WIDTH = 140
"""Columns of a table where no terminal says how wide it is."""

out = Console(markup=False, emoji=False)  # paths and names of peers may hold either
err = Console(stderr=True, markup=False, emoji=False)


def warn(line: str, style: str | None = None) -> None:
    """Print one line on standard error exactly as it is: neither wrapped nor read as markup."""
    err.print(line, style=style, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """Print a value as indented JSON; times and enums appear as their text."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


@contextmanager
def counted(label: str, total: int) -> Iterator[Callable[[], None]]:
    """Show a progress bar; yield the function that advances it by one."""
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda: progress.advance(task)


@contextmanager
def staged() -> Iterator[Callable[[int, int, str], None]]:
    """Show a progress bar; yield the function that takes steps done, steps in all, and the stage's name."""
    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("")

        def update(done: int, total: int, stage: str) -> None:
            progress.update(task, completed=done, total=total, description=stage)

        yield update
