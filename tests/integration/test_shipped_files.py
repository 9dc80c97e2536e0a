"""Files of pydicom and pydicom-data, sent as they are and as radiographs.

Each is refused with a planned status, or kept; what is kept is answered or ends with a reason code.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.dicom.statuses import Status
from gateway.errors import GatewayError
from gateway.records import Reason
from gateway.requestor.send import send_files
from gateway.requestor.storage_scu import DicomNode
from tests.fuzz.corpus import PYDICOM, PYDICOM_DATA, Sample, chest_radiograph_of
from tests.fuzz.targets import PLANNED, answer_file
from tests.support.receiving import Receiver, receiving
from tests.wire.requestor import Requestor

FILES = [path for folder in (PYDICOM, PYDICOM_DATA) for path in sorted(folder.rglob("*.dcm"))]
ENDS = {None, *Reason} - {Reason.INTERNAL_ERROR, Reason.POISON}


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("receiver")) as running:
        yield running


@pytest.fixture(autouse=True)
def _without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():  # pydicom's, of what is wrong with the files
        warnings.simplefilter("ignore")
        yield


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_as_it_is(receiver: Receiver, path: Path) -> None:
    receiver.log.clear()
    node = DicomNode("CXR_GATEWAY", *receiver.address, "TESTS")
    try:
        (sent,) = send_files([path], node)
    except GatewayError:  # no SOP class that is stored: a directory, a colour palette
        assert receiver.events("association_opened")
        return
    if sent.stored:
        assert_ends(receiver)
    elif sent.problem != "not a DICOM file":
        assert receiver.events("refused")[0]["status"] in {f"0x{status:04X}" for status in PLANNED}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_as_a_chest_radiograph(receiver: Receiver, path: Path) -> None:
    receiver.log.clear()
    ds = chest_radiograph_of(path)
    if ds is None:
        return
    sample = Sample.of(path.name, ds)
    with Requestor(receiver.address) as peer:
        peer.associate(sample.sop_class_uid, transfer_syntax_uid=sample.transfer_syntax_uid)
        status = peer.store(sample.sop_class_uid, sample.sop_instance_uid, sample.data).status
        assert status in PLANNED
    if status == Status.SUCCESS:
        assert_ends(receiver)


def assert_ends(receiver: Receiver) -> None:
    (file,) = receiver.files()
    assert answer_file(file) in ENDS
    file.unlink()
