"""Where received images and results are kept: one protocol, with a folder and an S3 bucket behind it.

Receiver, workers, couriers, pages and retention name a kept file by the path that the ledger has. `publish`
makes a file last, `fetch` makes it readable at its path; between the two it may be anywhere. A store that is
away, and a file that is not there, are for later (`Retry`, `Missing`): nothing fails because of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from gateway.files.draft import Buffer, Draft


class Shelf(Protocol):
    """The local part of a store: files as this machine writes them. A sandbox needs no more.

    Attributes
    ----------
    root
        The folder that the paths of its files begin with.
    """

    @property
    def root(self) -> Path:
        """See above."""

    def begin(self, head: Buffer = b"") -> Draft:
        """Begin a file whose first bytes are `head`.

        Raises
        ------
        Retry
            If the store is away.
        OSError
            If the disk takes nothing.
        """

    def finish(self, draft: Draft, name: str) -> Path:
        """Give a draft its name and return its path; the draft has ended then, also after an error.

        Of several writers of one name the first one wins. `Retry` and `OSError` as in `begin`.
        """


class Objects(Shelf, Protocol):
    """Keeps either the received images or the results. Safe for any number of threads."""

    @property
    def shelf(self) -> Shelf:
        """The local part, for other processes."""

    @property
    def place(self) -> str:
        """Where the files lie, for people: a folder or a URL."""

    def problem(self) -> str | None:
        """Ask the store itself; return what is wrong with it and what to do, or None."""

    def check(self) -> None:
        """Raise `Retry` unless the store is there and the ledger's; the answer may be seconds old."""

    def publish(self, path: Path) -> bool:
        """Make a finished file last; once this returns, the store has confirmed it.

        Returns
        -------
        False where the store had the file already: somebody may be about to delete it, see `Ledger`.

        Raises
        ------
        Retry
            If the store is away or does not confirm. It may have the file all the same; publishing it again
            does no harm.
        """

    def fetch(self, path: Path) -> None:
        """Make a kept file readable at its path.

        Raises
        ------
        Missing
            If the store is there, and the file is not, or not as it was kept.
        Retry
            If the store is away.
        """

    def has(self, path: Path) -> bool:
        """Ask the store itself whether it has a file; `Retry` where it is away."""

    def may_have(self, path: Path) -> bool:
        """Tell, without asking a server, whether a file that has a row may be there."""

    def remove(self, path: Path) -> int:
        """Delete a file for good; return how many bytes that frees. `Retry` where it cannot be deleted."""

    def orphans(self) -> Iterator[Path]:
        """Yield the files that are old enough to have a row by now; none where orphans stay."""

    def is_orphan(self, path: Path) -> bool:
        """Tell whether such a file is still as old: it may have been written again. `Retry` where away."""

    def tidy(self) -> None:
        """Delete what is only a copy, as far as it takes more room than it may."""

    def used_bytes(self) -> int:
        """Return the size of all files; `Retry` where the store is away."""

    def free_mb(self) -> int:
        """Return the free space for files that are being written, in MiB; `Retry` where it is not known."""


class Stores(NamedTuple):
    """Both stores of a gateway."""

    received: Objects
    results: Objects

    def check(self) -> None:
        """Raise `Retry` unless both are there."""
        for store in self:
            store.check()
