"""Reads the file of a received object, as an image or as a rejection note."""

from __future__ import annotations

from pathlib import Path

from pydicom import Dataset

from gateway.dicom.part_10 import read_file
from gateway.dicom.rejection_note import RejectionNote, UnreadableNote, read_rejection_note
from gateway.dicom.unreadable import Fault, Unreadable
from gateway.errors import Reject, Retry
from gateway.records import Reason

_NO_PART_10 = "not a DICOM file, as there is no preamble (PS3.10 7.1); dcmconv gives one to a bare data set"


def read_source(path: Path) -> Dataset:
    """Read a Part 10 file.

    Raises
    ------
    Reject
        If it is not DICOM.
    Retry
        If the disk does not give it now.
    """
    try:
        return read_file(path)
    except Unreadable as problem:
        detail = f"the data set cannot be read: {problem.reason}"
        raise Reject(
            Reason.UNDECODABLE, _NO_PART_10 if problem.fault is Fault.NO_PREAMBLE else detail
        ) from None
    except OSError as error:
        raise Retry(f"{path}: {error.strerror or error}") from error


def read_note(path: Path) -> RejectionNote:
    """Read a rejection note.

    Raises
    ------
    Reject
        If it cannot be read in full.
    """
    try:
        return read_rejection_note(path)
    except (UnreadableNote, Unreadable) as problem:
        raise Reject(Reason.UNDECODABLE, str(problem)) from None


def note_in_words(note: RejectionNote) -> str:
    """Return what a rejection note says."""
    count = len(note.sop_instance_uids)
    return f"rejects {count} object{'' if count == 1 else 's'}: {note.title} ({note.code}, DCM)"
