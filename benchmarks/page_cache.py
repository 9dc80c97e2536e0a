"""PAGE CACHE: processor time of writing files of 10 MB that stay in the page cache, and of others that leave.

`python -m benchmarks.page_cache` writes and syncs the files of each kind one after the other, as the receiver
does, and deletes them at the end. A virtual machine whose host gives it memory by the page pays for each page
that was not in use lately; elsewhere both kinds cost the same.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Annotated

import typer

from benchmarks.radiograph import MB
from gateway.files.draft import Draft
from gateway.files.page_cache import leave_page_cache
from gateway.receive.c_store import GATHERED_BYTES

_PIECE = bytes(GATHERED_BYTES)
_PIECES = round(MB * 1e6 / GATHERED_BYTES)


def main(
    files: Annotated[int, typer.Option(help="Files of each kind.")] = 200,
    folder: Annotated[Path | None, typer.Option(help="A folder on the disk to be measured.")] = None,
) -> None:
    """Print the processor time of a file, hash included: the middle and the most of ten in a row."""
    for what, afterwards in (("stay", _nothing), ("leave", leave_page_cache), ("stay", _nothing)):
        with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=folder) as temporary:
            spent = [_written(Path(temporary) / str(number), afterwards) for number in range(files)]
        tens = [sum(spent[first : first + 10]) / 10 for first in range(0, files - 9, 10)]
        print(f"files that {what}: {median(spent):.1f} ms, at most {max(tens):.1f}")


def _written(path: Path, afterwards: Callable[[Path], None]) -> float:
    """Return the processor time of writing one file, in ms."""
    begun = time.process_time()
    draft = Draft(path.parent)
    for _ in range(_PIECES):
        draft.write(_PIECE)
    draft.finish(path)
    afterwards(path)
    return 1000 * (time.process_time() - begun)


def _nothing(path: Path) -> None:
    """Let the file stay in the page cache."""


if __name__ == "__main__":
    typer.run(main)
