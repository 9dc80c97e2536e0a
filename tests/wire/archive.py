"""A scripted archive: a PACS that answers C-FIND, C-GET and C-MOVE from data sets in memory, honestly or not.

`Archive.say` and `Archive.send` may be replaced by a test to go wrong in the ways in which PACSs do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES

AE_TITLE = "ARCHIVE"
PENDING, UNSUPPORTED_KEY, SUCCESS = 0xFF00, 0xFF01, 0x0000
_KEYS = {
    "STUDY": ("StudyInstanceUID", "StudyDate", "StudyTime", "AccessionNumber", "PatientID"),
    "SERIES": ("StudyInstanceUID", "SeriesInstanceUID", "Modality", "BodyPartExamined", "SeriesDescription"),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"),
}
_UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}

Answers = Iterator[tuple[int, Dataset | None]]


def find_honestly(archive: Archive, keys: Dataset) -> Answers:
    """Answer a C-FIND with what matches."""
    level = str(keys.QueryRetrieveLevel)
    seen: set[str] = set()
    for each in archive.matching(keys):
        uid = str(each[_UNIQUE[level]].value)
        if uid not in seen:
            seen.add(uid)
            yield PENDING, archive.described(each, level)


def send_honestly(archive: Archive, keys: Dataset) -> Iterator[Any]:
    """Answer a C-GET or C-MOVE with every object that matches: its number, then each one."""
    found = archive.matching(keys)
    yield len(found)
    for each in found:
        yield PENDING, each


@dataclass
class Archive:
    """The archive while it runs: its images, and what it was asked."""

    images: list[Dataset]
    host: str = ""
    port: int = 0
    find: Callable[[Archive, Dataset], Answers] = find_honestly
    send: Callable[[Archive, Dataset], Iterator[Any]] = send_honestly
    move_to: tuple[str, int] | None = None
    tells_number: bool = True
    asked: list[Dataset] = field(default_factory=list)
    sent: list[Dataset] = field(default_factory=list)
    associations: int = 0
    open: int = 0
    most_open: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def matching(self, keys: Dataset) -> list[Dataset]:
        """Return the images that the keys match."""
        return [each for each in self.images if all(_matches(each, keys, name) for name in _names(keys))]

    def described(self, image: Dataset, level: str) -> Dataset:
        """Return the response about an image at a level."""
        ds = Dataset()
        ds.QueryRetrieveLevel = level
        ds.RetrieveAETitle = AE_TITLE
        for name in _KEYS[level]:
            setattr(ds, name, image.get(name, ""))
        if level == "STUDY":
            study = [each for each in self.images if each.StudyInstanceUID == image.StudyInstanceUID]
            ds.ModalitiesInStudy = sorted({str(each.Modality) for each in study})
            if self.tells_number:
                ds.NumberOfStudyRelatedInstances = len(study)
        return ds

    def source(self, **changes: Any) -> dict[str, Any]:
        """Return the archive as a source of the settings."""
        settings = {
            "name": "pacs",
            "kind": "dicom",
            "ae_title": AE_TITLE,
            "host": self.host,
            "port": self.port,
            "timeout_seconds": 20,
            "first_retry_seconds": 0.001,
        }
        return settings | changes


@contextmanager
def archive_of(images: Iterable[Dataset], **behaviour: Any) -> Iterator[Archive]:
    """Run an archive of these images on loopback."""
    archive = Archive(list(images), **behaviour)
    ae = AE(AE_TITLE)
    ae.require_called_aet = True
    ae.maximum_associations = 20
    for model in (
        StudyRootQueryRetrieveInformationModelFind,
        StudyRootQueryRetrieveInformationModelGet,
        StudyRootQueryRetrieveInformationModelMove,
    ):
        ae.add_supported_context(model)
    for sop_class in (ComputedRadiographyImageStorage, DigitalXRayImageStorageForPresentation):
        ae.add_supported_context(sop_class, list(TRANSFER_SYNTAXES), scu_role=True, scp_role=True)
        ae.add_requested_context(sop_class)
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=_handlers(archive))
    archive.host, archive.port = server.socket.getsockname()[:2]
    try:
        yield archive
    finally:
        server.shutdown()


def _handlers(archive: Archive) -> list[Any]:
    def opened(_: Event) -> None:
        with archive.lock:
            archive.associations += 1
            archive.open += 1
            archive.most_open = max(archive.most_open, archive.open)

    def closed(_: Event) -> None:
        with archive.lock:
            archive.open -= 1

    def find(event: Event) -> Answers:
        archive.asked.append(event.identifier)
        yield from archive.find(archive, event.identifier)

    def get(event: Event) -> Iterator[Any]:
        archive.sent.append(event.identifier)
        yield from archive.send(archive, event.identifier)

    def move(event: Event) -> Iterator[Any]:
        archive.sent.append(event.identifier)
        yield archive.move_to or (None, None)
        yield from archive.send(archive, event.identifier)

    return [
        (evt.EVT_ESTABLISHED, opened),
        (evt.EVT_CONN_CLOSE, closed),
        (evt.EVT_C_FIND, find),
        (evt.EVT_C_GET, get),
        (evt.EVT_C_MOVE, move),
    ]


def _names(keys: Dataset) -> list[str]:
    known = {name for names in _KEYS.values() for name in names}
    return [each.keyword for each in keys if each.keyword in known and each.value]


def _matches(image: Dataset, keys: Dataset, name: str) -> bool:
    asked, value = str(keys[name].value), str(image.get(name, ""))
    first, dash, last = asked.partition("-")
    if name in ("StudyDate", "StudyTime") and dash:
        return bool(value) and first <= value[: len(first)] <= last
    return value == asked
