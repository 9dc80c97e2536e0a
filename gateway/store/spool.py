"""A store that is a folder, also one that several hosts share; it implements `Objects`.

Files survive a power cut: written beside, fsynced, linked to their name, closed, folder fsynced; a row
follows only then. Another host that opens a file then sees all of it (close-to-open consistency of NFS).
There is no lock in the folder: names are hashes and UIDs, and the first writer of a name wins.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from gateway.errors import Missing, Retry
from gateway.files.answering import Answering
from gateway.files.atomic import create_once
from gateway.files.draft import Buffer, Draft
from gateway.files.folders import leave_to_owner, make_folder, sync_folder
from gateway.store.ledger import Ledger
from gateway.store.marks import Mark, mark_of

REMEDY = "put it back, or let `gateway give-up` say that it is lost"


class Spool:
    """A folder of files named by our own hashes and UIDs, never by a peer's text.

    Parameters
    ----------
    root
        The folder; it and its subfolders are created as needed.
    mark
        What shows that it is the ledger's folder; nothing is read or written where it is missing. None for a
        folder that no ledger knows.
    """

    def __init__(self, root: Path, mark: Mark | None = None) -> None:
        self.root = root
        self._mark = mark
        self._answering = Answering(root)
        self._incoming = root / "incoming"
        self._is_prepared = False
        with suppress(Retry):  # not mounted yet: it is looked for at each use
            self.check()

    def check(self) -> None:
        """See that the folder is there.

        Raises
        ------
        Retry
            If it is not mounted, or another one in its place, or does not answer.
        OSError
            If its subfolders cannot be made.
        """
        self._answering.check()
        problem = self._marked()  # in this thread, which calls the folder next
        if problem:
            raise Retry(problem)
        if not self._is_prepared:
            self._prepare()

    def _prepare(self) -> None:
        """Make all subfolders now: none is born while an acknowledgement waits."""
        make_folder(self._incoming)
        for number in range(256):
            subfolder = self.root / f"{number:02x}"
            subfolder.mkdir(exist_ok=True)
            leave_to_owner(subfolder)
        sync_folder(self.root)
        self.remove_leftovers()
        self._is_prepared = True

    @property
    def shelf(self) -> Spool:
        """The folder itself."""
        return self

    @property
    def place(self) -> str:
        """The folder."""
        return str(self.root)

    def problem(self) -> str | None:
        """See `Objects`."""
        try:
            return self._answering.ask(self._marked)
        except Retry as problem:
            return str(problem)

    def _marked(self) -> str | None:
        return self._mark.problem() if self._mark else None

    def publish(self, path: Path) -> bool:  # noqa: ARG002
        """Nothing is left to do: `finish` has made the file last."""
        return True

    def fetch(self, path: Path) -> None:
        """Look for the file; `Missing` only from a folder that is there."""
        if not self.has(path):
            raise Missing(f"{path} is gone, and its folder is mounted: {REMEDY}")

    def has(self, path: Path) -> bool:
        """See `Objects`."""
        self._answering.check()
        try:
            if path.exists():
                return True
            self.check()
            listed = list(path.parent.iterdir())  # a shared folder's answer to a name may be an old one
        except FileNotFoundError:
            return False
        except OSError as error:
            raise Retry(f"{path}: {error.strerror}") from error
        return path in listed

    def may_have(self, path: Path) -> bool:
        """See `Objects`."""
        try:
            self._answering.check()
        except Retry:
            return True
        return path.exists()

    def remove(self, path: Path) -> int:
        """See `Objects`."""
        self._answering.check()
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:  # another worker was faster
            return 0
        except OSError as error:
            raise Retry(f"{path}: cannot be deleted ({error.strerror})") from error
        return size

    def orphans(self) -> Iterator[Path]:
        """Yield none: who restores an earlier database finds every file."""
        yield from ()

    def is_orphan(self, path: Path) -> bool:  # noqa: ARG002 - see `orphans`
        """See `Objects`."""
        return False

    def tidy(self) -> None:
        """Delete what killed processes left half-written."""
        self._answering.check()
        self.remove_leftovers()

    def used_bytes(self) -> int:
        """See `Objects`."""
        self._answering.check()
        return sum(_size(path) for path in self.root.rglob("*.*"))

    def path_for(self, name: str) -> Path:
        """Return where the file `name` lies or would lie: a hexadecimal hash or a UID, then an extension."""
        return self.root / Path(name).stem[-2:] / name

    def keep(self, name: str, parts: Iterable[Buffer]) -> Path:
        """Write `parts` durably as `name`; when this returns they survive a power cut.

        A file that is already there stays as it is: the first one wins.

        Raises
        ------
        OSError
            When the disk is full or read-only; nothing is left behind under `name`.
        Retry
            When the folder is not there.
        """
        self.check()
        path = self.path_for(name)
        if path.exists():
            sync_folder(path.parent)  # of a twin that another thread has linked but not synced yet
        else:
            create_once(path, parts, drafts=self._incoming)
        return path

    def begin(self, head: Buffer = b"") -> Draft:
        """Begin a file whose first bytes are `head`; `OSError` and `Retry` as in `keep`."""
        self.check()
        return Draft(self._incoming, head)

    def finish(self, draft: Draft, name: str) -> Path:
        """Keep a draft durably as `name`, as in `keep`; the draft has ended then, also after an error."""
        try:
            self.check()
        except BaseException:
            draft.discard()
            raise
        path = self.path_for(name)
        draft.finish(path)
        return path

    def remove_leftovers(self, older_than_seconds: float = 3600) -> None:
        """Delete what killed processes left half-written."""
        for path in self._incoming.iterdir():
            with suppress(FileNotFoundError):  # its writer has just finished
                if time.time() - path.stat().st_mtime > older_than_seconds:
                    path.unlink()

    def free_mb(self) -> int:
        """Return the free space of the file system in MiB; `Retry` where the folder is not there."""
        try:
            return self._answering.free_bytes() >> 20
        except OSError as error:
            raise Retry(f"{self.root}: {error.strerror}") from error


def open_spool(root: Path, ledger: Ledger) -> Spool:
    """Open a folder that the ledger knows; it may be mounted later.

    Raises
    ------
    ConfigurationError, Retry, OSError
        See `mark_of`.
    """
    return Spool(root, mark_of(root, ledger))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # another worker was faster
        return 0
