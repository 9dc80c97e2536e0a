"""The data directory: names every folder and file that a gateway keeps below `data_dir`, once.

Every part that reads or writes there asks this value; a gateway's own is `Settings.directory`. Folders are
made by the part that writes into them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.files.folders import make_folder
from gateway.files.mounts import away


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """One gateway's data directory.

    Attributes
    ----------
    root
        The setting `data_dir`: of one host, as its locks, keys and log are.
    elsewhere
        The folder of images and results; None where they lie below `root`, too.
    """

    root: Path
    elsewhere: Path | None = None

    @property
    def kept(self) -> Path:
        """Folder to which paths in the ledger are relative, so that it can be moved."""
        return self.elsewhere or self.root

    @property
    def database(self) -> Path:
        """The SQLite database, where the setting `database` names no server."""
        return self.root / "gateway.sqlite"

    @property
    def spool(self) -> Path:
        """Received images, as Part 10 files."""
        return self.kept / "spool"

    @property
    def results(self) -> Path:
        """Result objects, as Part 10 files."""
        return self.kept / "results"

    @property
    def objects(self) -> Path:
        """Copies of objects, in a folder for each boot; anything in it may be deleted at any time."""
        return self.root / "cache" / "objects"

    @property
    def uploads(self) -> Path:
        """Request bodies while the web server takes them."""
        return self.root / "uploads"

    @property
    def viewer_cache(self) -> Path:
        """Rendered radiographs; anything in it may be deleted at any time."""
        return self.root / "cache" / "web"

    @property
    def log(self) -> Path:
        """The log, one JSON object a line; rotated files lie beside it."""
        return self.root / "log" / "gateway.jsonl"

    @property
    def audit(self) -> Path:
        """The audit trail, one file a day."""
        return self.root / "audit"

    @property
    def run(self) -> Path:
        """Locks, keys and the status of the roles."""
        return self.root / "run"

    @property
    def role_status(self) -> Path:
        """Status of each role of this machine, as the supervisor last heard."""
        return self.run / "roles.json"

    @property
    def export_key(self) -> Path:
        """The key that pseudonymises exported feedback."""
        return self.run / "export.key"

    def missing_mount(self) -> str | None:
        """Say which disk is not mounted, so that a first start would keep everything on another one.

        None where a database is here: then the data are, whatever /etc/fstab names.
        """
        return None if self.database.exists() else away(self.root)

    def make(self) -> None:
        """Make the folder itself.

        Raises
        ------
        ConfigurationError
            If that cannot be done, or its disk is not mounted.
        """
        if problem := self.missing_mount():
            raise ConfigurationError(f"data_dir: {self.root}: {problem}")
        with self.writing():
            make_folder(self.root)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Turn an error of the disk at the start of a gateway into one clear line.

        Raises
        ------
        ConfigurationError
            If the block could not write something below the directory.
        """
        try:
            yield
        except OSError as error:
            raise ConfigurationError(f"data_dir: {error.filename or self.root}: {error.strerror}") from None


def this_boot() -> str:
    """Return a name for the time since this machine was started.

    Files that were not synced are whole for that time, also if their writer was killed.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:  # no Linux
        return "unknown"
