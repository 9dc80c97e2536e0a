"""Results as files: `<StudyInstanceUID>/<SOPInstanceUID>.dcm`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from gateway.deliver.outcome import Outcome, Verdict
from gateway.folders import make_folder, sync_folder
from gateway.settings import FolderDestination
from gateway.store.entries import PendingDelivery
from gateway.store.spool import write_durably

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def deliver_to_folder(
    destination: FolderDestination, pending: Sequence[PendingDelivery]
) -> Iterator[Outcome]:
    """Write each object durably; a file that is there already is the same object."""
    for delivery in pending:
        try:
            _write(destination, delivery)
        except OSError as error:
            yield Outcome(delivery, Verdict.LATER, f"{destination.path}: {error.strerror or error}")
        else:
            yield Outcome(delivery, Verdict.DELIVERED)


def _write(destination: FolderDestination, delivery: PendingDelivery) -> None:
    folder = destination.path / study_folder(delivery.study_instance_uid)
    path = folder / f"{delivery.sop_instance_uid}.dcm"
    if path.exists():
        return
    make_folder(folder)
    temporary = folder / f".{delivery.sop_instance_uid}.part"  # what a killed attempt left is overwritten
    try:
        write_durably(temporary, [delivery.path.read_bytes()])
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
