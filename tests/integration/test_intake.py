"""The intake knows no protocol: a watched folder is an adapter of it, with the same promise as C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from structlog.testing import capture_logs

from gateway.dicom.statuses import Status
from gateway.receive.capacity import Capacity
from gateway.receive.intake import Intake
from gateway.settings import SCP, Settings
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.queries.images import Images
from gateway.store.queries.views import ImageView
from gateway.store.spool import Spool
from gateway.telemetry.audit import trail
from tests.support.database import database_in
from tests.support.sources import dx, encoded
from tests.support.watched_folder import WatchedFolder


@dataclass
class Inbox:
    """A watched folder and the gateway behind it."""

    folder: Path
    ledger: Ledger
    log: list[MutableMapping[str, Any]]
    watched: WatchedFolder

    def put(self, *files: bytes) -> None:
        """Put files into the folder and have it swept."""
        for number, content in enumerate(files):
            (self.folder / f"{number}.dcm").write_bytes(content)
        self.watched.sweep()

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())

    def versions(self, source: Dataset) -> list[ImageView]:
        return Images(self.ledger).versions(source.SOPInstanceUID)

    def events(self, name: str) -> list[MutableMapping[str, Any]]:
        return [entry for entry in self.log if entry["event"] == name]

    def audited(self) -> str:
        trail_files = (self.folder.parent / "audit").glob("audit-*.log")
        return "".join(path.read_text(errors="replace") for path in trail_files)


@contextmanager
def watching(data_dir: Path, **settings: Any) -> Iterator[Inbox]:
    """Open an intake over a real spool, ledger and audit trail, and a folder as its sender."""
    engine = database_in(data_dir)
    ledger, spool = Ledger(engine, data_dir), Spool(data_dir / "spool")
    intake = Intake(Capacity(SCP.model_validate(settings), spool, ledger), spool, ledger)
    folder = data_dir / "inbox"
    folder.mkdir(exist_ok=True)
    trail.open_trail(Settings(data_dir=data_dir))
    try:
        with capture_logs() as log:
            yield Inbox(folder, ledger, log, WatchedFolder(folder, intake))
    finally:
        trail.close_trail()
        engine.dispose()


@pytest.fixture
def inbox(tmp_path: Path) -> Iterator[Inbox]:
    with watching(tmp_path) as inbox:
        yield inbox


def test_a_file_put_into_the_folder_is_kept_and_recorded(inbox: Inbox) -> None:
    source = dx(PatientID="P-0815")
    inbox.put(encoded(source))
    assert inbox.names() == []
    (image,) = inbox.versions(source)
    assert (image.state, image.calling_ae_title) == ("received", "FOLDER")
    assert [entry["arrival"] for entry in inbox.events("received")] == [Arrival.NEW]
    assert "P-0815" in inbox.audited()
    assert "P-0815" not in str(inbox.log)


def test_the_kept_file_is_the_data_set_that_came(inbox: Inbox, tmp_path: Path) -> None:
    content = encoded(dx())
    inbox.put(content)
    (kept,) = (tmp_path / "spool").rglob("*.dcm")
    assert kept.read_bytes()[-1000:] == content[-1000:]
    (received,) = inbox.events("received")
    assert kept.read_bytes().endswith(content[-received["size_bytes"] :])


def test_the_same_file_again_is_acknowledged_and_other_bytes_are_kept_beside_it(inbox: Inbox) -> None:
    first = dx()
    other = dx(SOPInstanceUID=first.SOPInstanceUID, PatientComments="other bytes")
    inbox.put(encoded(first), encoded(first), encoded(other))
    assert inbox.names() == []
    arrivals = [entry["arrival"] for entry in inbox.events("received")]
    assert arrivals == [Arrival.NEW, Arrival.RESENT, Arrival.CHANGED]
    assert len(inbox.versions(first)) == 2


def test_a_refused_file_is_told_and_recorded(inbox: Inbox) -> None:
    cut = dx(PixelData=b"\0\0")
    inbox.put(b"<html>", encoded(cut))
    assert inbox.names() == ["0.refused", "0.txt", "1.refused", "1.txt"]
    assert "not a DICOM file" in (inbox.folder / "0.txt").read_text()
    assert "bytes of pixels" in (inbox.folder / "1.txt").read_text()
    refused = [(entry["status"], entry["sop_instance_uid"]) for entry in inbox.events("refused")]
    assert refused == [
        (str(Status.NOT_PARSABLE), None),
        (str(Status.PIXELS_TRUNCATED), cut.SOPInstanceUID),
    ]
    assert inbox.versions(cut) == []
    assert cut.SOPInstanceUID in inbox.audited()


def test_a_file_waits_while_there_is_no_room(tmp_path: Path) -> None:
    source = dx()
    with watching(tmp_path, min_free_disk_mb=10**9) as full:
        full.put(encoded(source))
        assert full.names() == ["0.dcm"]
        assert [entry["status"] for entry in full.events("refused")] == [str(Status.OUT_OF_RESOURCES)]
    with watching(tmp_path) as inbox:
        inbox.watched.sweep()
        assert inbox.names() == []
        assert len(inbox.versions(source)) == 1


def test_a_bug_promises_nothing_and_leaves_its_traceback(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> Arrival:
        raise ZeroDivisionError

    monkeypatch.setattr(Ledger, "record_received", fail)
    inbox.put(encoded(dx()))
    assert inbox.names() == ["0.refused", "0.txt"]
    (entry,) = inbox.events("refused")
    assert entry["exc_info"]
    assert entry["status"] == str(Status.INTERNAL)
