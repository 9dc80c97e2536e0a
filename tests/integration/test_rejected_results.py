"""The gateway's own rejection notes: made once, valid, delivered where the rejected results are."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.dicom.rejection_note import read_rejection_note
from gateway.store.outbox import Outbox
from gateway.store.rejections import Rejection
from gateway.worker.result_rejections import ResultRejections
from tests.support.house import House
from tests.support.worker import pipeline_in

EXPECTED_WARNINGS = (
    "ContributingEquipmentSequence(0018,a001)[1]/DeviceUID",  # dciodvfy does not know it there yet
    "needed to build DICOMDIR",
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, {"to": ["outbox", "archive"]}, delivery={"rejection_notes": True})
    yield made
    made.engine.dispose()


def test_results_are_rejected_where_they_were_delivered(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    sent = {each.sop_instance_uid for each in house.deliver("outbox")}
    assert len(sent) == 2
    house.reject(2, uid)
    ((note),) = house.deliver("outbox", "archive")
    assert (note.kind, note.destination) == ("ko", "outbox")
    assert set(read_rejection_note(note.path).sop_instance_uids) == sent
    assert read_rejection_note(note.path).code == "113001"
    assert house.image(uid).reason == "rejected"


def test_what_was_never_sent_needs_no_note_and_the_setting_is_off_by_default(
    house: House, tmp_path: Path
) -> None:
    uid = house.receive(1)
    house.answer()
    house.reject(2, uid)
    assert house.deliver("outbox", "archive") == []
    (tmp_path / "other").mkdir()
    other = House(tmp_path / "other", {"to": ["outbox"]})
    other.receive(1)
    other.answer()
    other.deliver("outbox")
    other.reject(2, "1.2.1")
    assert other.deliver("outbox") == []
    other.engine.dispose()


def test_a_note_is_made_once(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    house.deliver("outbox")
    house.reject(2, uid)
    ((first),) = house.deliver("outbox")
    content = first.path.read_bytes()
    house.answer("note 2")  # the batch is begun anew
    house.reject(3, uid)
    assert house.deliver("outbox") == []
    assert first.path.read_bytes() == content
    house.receive(4, dcmread(first.path))  # as from a PACS that routes everything
    house.answer("back")
    assert house.image("1.2.4").reason == "own_result"


def test_a_kill_between_file_and_row_leaves_one_note(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    house.deliver("outbox")
    own = ResultRejections(house.ledger, pipeline_in(house.settings, house.ledger)[1].results)
    given = Rejection("113001", "Rejected for Quality Reasons", "1.2.2", (uid,))
    ((lost),) = own.write(given)
    content = lost.result.path.read_bytes()
    house.reject(2, uid)
    ((note),) = house.deliver("outbox")
    assert note.path == lost.result.path
    assert note.path.read_bytes() == content


def test_what_is_in_hand_may_have_arrived_and_is_rejected_too(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    Outbox(house.ledger).claim("archive", "a worker that is killed", 10)
    house.reject(2, uid)
    ((note),) = house.deliver("outbox", "archive")
    assert (note.kind, note.destination) == ("ko", "archive")


@pytest.mark.parametrize("code", ["113001", "113037", "113038", "113039"])
def test_the_note_is_valid(house: House, dicom3tools: Callable[[str], str], code: str) -> None:
    uid = house.receive(1)
    house.answer()
    house.deliver("outbox")
    house.reject(2, uid, code=code)
    ((note),) = house.deliver("outbox")
    done = subprocess.run(
        [dicom3tools("dciodvfy"), "-new", note.path], capture_output=True, text=True, check=False
    )
    lines = [
        line for line in (done.stdout + done.stderr).splitlines() if line.startswith(("Error", "Warning"))
    ]
    assert [line for line in lines if not any(each in line for each in EXPECTED_WARNINGS)] == []
    ds: Dataset = dcmread(note.path)
    assert (ds.PatientID, ds.Modality, ds.ConceptNameCodeSequence[0].CodeValue) == ("P-0042", "KO", code)
    assert [each.ValueType for each in ds.ContentSequence] == ["TEXT", "COMPOSITE", "IMAGE"]
