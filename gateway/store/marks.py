"""Ties folders of files to the ledger: each holds a mark, a file with an id that the ledger knows.

A folder that is not mounted, or another one in its place, has no such mark. Its files are not missing then,
they are elsewhere: readers and writers wait.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from gateway.errors import ConfigurationError
from gateway.files.atomic import create_once
from gateway.files.folders import make_folder
from gateway.store.ledger import Ledger
from gateway.store.schema import folders, instances, results

MARK = ".gateway-id"
SAMPLE = 20  # files that are looked for before a folder without a mark is taken for the ledger's


@dataclass(frozen=True, slots=True)
class Mark:
    """Proof that `root` is the folder that the ledger means."""

    root: Path
    id: str

    def problem(self) -> str | None:
        """Return what is wrong with the folder, and what to do."""
        try:
            found = _read(self.root)
        except OSError as error:
            return f"{self.root} cannot be read: {error.strerror}"
        if found == self.id:
            return None
        case = f"has the mark {found!r}" if found else "has no mark"
        return (
            f"{self.root} {case}, not the ledger's: mount the right folder; "
            f"if its files are lost for good, write {self.id} into {self.root / MARK}"
        )


def mark_of(root: Path, ledger: Ledger) -> Mark:
    """Return the mark of a folder, which is made at the first start.

    Raises
    ------
    ConfigurationError
        If the ledger is from before there were marks, and the folder does not hold the ledger's files.
    Retry
        If the database is away.
    OSError
        If the mark cannot be written.
    """
    known = known_mark(root, ledger)
    if known:
        return known
    if not _holds_what_the_ledger_names(root, ledger):
        raise ConfigurationError(
            f"data_dir: {root} does not hold the files that the ledger names: is it mounted?"
        )
    make_folder(root)
    return Mark(root, remember(root.name, _read(root) or _write(root), ledger))


def known_mark(root: Path, ledger: Ledger) -> Mark | None:
    """Return the mark that the ledger knows, None before the first start."""
    mark = known_id(root.name, ledger)
    return Mark(root, mark) if mark else None


def known_id(name: str, ledger: Ledger) -> str | None:
    """Return the id that the ledger knows of the store of this name, None before the first start."""
    query = sa.select(folders.c.mark).where(folders.c.name == name)
    with ledger.transaction() as connection:
        mark: str | None = connection.scalars(query).first()
    return mark


def remember(name: str, mark: str, ledger: Ledger) -> str:
    """Let the ledger know the id of a store; return the one that it knows, of whoever was first."""
    with suppress(sa.exc.IntegrityError), ledger.transaction() as connection:  # another role was faster
        connection.execute(sa.insert(folders).values(name=name, mark=mark))
    return known_id(name, ledger) or mark


def new_id() -> str:
    """Return an id for a store that has none."""
    return str(uuid.uuid4())


def is_id(text: str) -> bool:
    """Tell whether a mark is an id, and not what a proxy answers in the place of a store."""
    with suppress(ValueError):
        return str(uuid.UUID(text)) == text.lower()
    return False


def _holds_what_the_ledger_names(root: Path, ledger: Ledger) -> bool:
    with ledger.transaction() as connection:
        newest = [
            ledger.absolute(path)
            for table in (instances, results)
            for path in connection.scalars(
                sa.select(table.c.path)
                .where(table.c.file_deleted_at.is_(None))
                .order_by(table.c.id.desc())
                .limit(SAMPLE)
            )
        ]
    here = [path for path in newest if path.is_relative_to(root)]
    return not here or any(path.exists() for path in here)


def _read(root: Path) -> str:
    """Return the id in the folder, empty where there is none."""
    try:
        return (root / MARK).read_text(encoding="ascii", errors="replace").strip()[:64]
    except (FileNotFoundError, NotADirectoryError):
        return ""


def _write(root: Path) -> str:
    """Mark the folder; the first of several marks stays."""
    create_once(root / MARK, [f"{new_id()}\n".encode("ascii")])
    return _read(root)
