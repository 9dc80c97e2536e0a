"""Results as files: `<StudyInstanceUID>/<SOPInstanceUID>.dcm`."""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.deliver.outcome import Outcome, Verdict
from gateway.files.atomic import write_durably
from gateway.files.folders import make_folder, sync_folder
from gateway.settings import FolderDestination
from gateway.store.entries import PendingDelivery

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def deliver_to_folder(
    destination: FolderDestination, pending: Sequence[PendingDelivery], data_dir: Path | None = None
) -> Iterator[Outcome]:
    """Write each object durably; a file that is there already, and whole, is the same object.

    The folder itself is made; those above it only within `data_dir`: elsewhere a disk may not be mounted.
    """
    for delivery in pending:
        try:
            _make(destination.path, data_dir)
            _write(destination, delivery)
        except OSError as error:
            told = f"{error.filename or destination.path}: {error.strerror or error}"
            yield Outcome(delivery, Verdict.LATER, told)
        else:
            yield Outcome(delivery, Verdict.DELIVERED)


def _make(folder: Path, data_dir: Path | None) -> None:
    is_ours = data_dir is not None and folder.is_relative_to(data_dir)
    if not is_ours and not folder.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder; is its disk mounted?", str(folder.parent))
    make_folder(folder)


def _write(destination: FolderDestination, delivery: PendingDelivery) -> None:
    folder = destination.path / study_folder(delivery.study_instance_uid)
    path = folder / f"{delivery.sop_instance_uid}.dcm"
    content = delivery.path.read_bytes()
    if path.is_file() and path.read_bytes() == content:
        return
    make_folder(folder)
    temporary = folder / f".{delivery.sop_instance_uid}.part"
    temporary.unlink(missing_ok=True)  # of a killed attempt; another one that still writes keeps its own file
    try:
        write_durably(temporary, [content])
        temporary.rename(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)
    sync_folder(destination.path)


def study_folder(study_instance_uid: str) -> str:
    """Return the UID, or its hash where it is no UID and could lead elsewhere (`..`)."""
    if _UID.fullmatch(study_instance_uid):
        return study_instance_uid
    return hashlib.sha256(study_instance_uid.encode()).hexdigest()
