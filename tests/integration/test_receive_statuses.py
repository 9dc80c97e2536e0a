"""Every status that a sender can hear, over a real association."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    EncapsulatedPDFStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)
from pynetdicom.sop_class import Verification

from gateway.dicom import octets
from gateway.dicom.statuses import MAX_ERROR_COMMENT, Status
from gateway.records import Received
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from tests.support.receiving import Receiver, data_set_of, receiving
from tests.support.sources import cr, dx, encoded
from tests.wire import pdus
from tests.wire.requestor import CLOSED, Requestor, Response

DX = DigitalXRayImageStorageForPresentation
UID = "1.2.3.4"
OTHER_UID = "1.2.3.5"


def source(**overrides: object) -> Dataset:
    return dx(**{"SOPInstanceUID": UID, **overrides})


def native(ds: Dataset) -> bytes:
    return data_set_of(encoded(ds))


def bomb() -> bytes:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    element = b"\x09\0\x10\x10OB\0\0" + (1 << 30).to_bytes(4, "little")
    return deflater.compress(element + bytes(3 << 20)) + deflater.flush()


def nested(depth: int) -> bytes:
    sequence, item = b"\x09\x00\x10\x00SQ\0\0\xff\xff\xff\xff", b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return (sequence + item) * depth


def store(
    receiver: Receiver,
    data: bytes | None,
    *,
    sop_class: str = DX,
    sop_instance: str = UID,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
) -> Response:
    """Send one request on an association of its own, and see that the association survives it."""
    with Requestor(receiver.address) as peer:
        peer.associate(DX, Verification, transfer_syntax_uid=transfer_syntax_uid)
        response = peer.store(sop_class, sop_instance, data)
        assert response is not None
        assert peer.release() is not None
    return response


NOT_UNDERSTOOD = {
    "garbage": (lambda: b"\x93garbage, no data set" * 40, Status.NOT_PARSABLE),
    "html": (lambda: b"<html><body>504 Gateway Time-out</body></html>", Status.NOT_PARSABLE),
    "empty": (lambda: b"", Status.EMPTY),
    "truncated header": (lambda: native(source())[:701], Status.TRUNCATED),
    "truncated pixels": (lambda: native(source())[:-1000], Status.PIXELS_TRUNCATED),
    "short pixels": (lambda: native(source(Rows=97)), Status.PIXELS_TRUNCATED),
    "no SOP Instance UID": (
        lambda: native(source()).replace(b"\x08\0\x18\0UI\x08\0" + UID.encode() + b"\0", b""),
        Status.UID_MISSING,
    ),
    "no Study Instance UID": (lambda: native(source(StudyInstanceUID="")), Status.UID_MISSING),
    "Part 10 file": (lambda: encoded(source()), Status.PART_10_FILE),
    "implicit bytes": (lambda: data_set_of(encoded(source(), ImplicitVRLittleEndian)), Status.WRONG_ENCODING),
    "deep nesting": (lambda: nested(5000), Status.NESTED_TOO_DEEP),
}


@pytest.mark.parametrize(("data", "status"), NOT_UNDERSTOOD.values(), ids=NOT_UNDERSTOOD)
def test_what_cannot_be_understood(receiver: Receiver, data: Callable[[], bytes], status: Status) -> None:
    response = store(receiver, data())
    assert response.status == status
    assert 0 < len(response.comment) <= MAX_ERROR_COMMENT
    assert receiver.files() == []
    assert [entry["status"] for entry in receiver.events("refused")] == [str(status)]


def test_no_data_set(receiver: Receiver) -> None:
    assert store(receiver, None).status == Status.EMPTY


def test_explicit_bytes_in_an_implicit_context(receiver: Receiver) -> None:
    response = store(receiver, native(source()), transfer_syntax_uid=ImplicitVRLittleEndian)
    assert response.status == Status.TRUNCATED


def test_truncated_fragments(receiver: Receiver) -> None:
    data = data_set_of(encoded(source(), JPEG2000Lossless))[:-20]
    response = store(receiver, data, transfer_syntax_uid=JPEG2000Lossless)
    assert response.status == Status.PIXELS_TRUNCATED


DEFLATED = {
    "bomb": (bomb, Status.INFLATES_TOO_FAR),
    "truncated": (
        lambda: data_set_of(encoded(source(), DeflatedExplicitVRLittleEndian))[:-200],
        Status.TRUNCATED,
    ),
    "not deflated": (lambda: native(source()), Status.NOT_PARSABLE),
}


@pytest.mark.parametrize(("data", "status"), DEFLATED.values(), ids=DEFLATED)
def test_deflated_data_sets(
    receiver: Receiver, data: Callable[[], bytes], status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(octets, "MAX_INFLATED_BYTES", 1 << 20)
    response = store(receiver, data(), transfer_syntax_uid=DeflatedExplicitVRLittleEndian)
    assert response.status == status


COMMANDS = {
    "another SOP class in the data set": (
        lambda: native(cr(SOPInstanceUID=UID)),
        DX,
        UID,
        Status.SOP_CLASS_MISMATCH,
    ),
    "another SOP class in the command": (
        lambda: native(source()),
        ComputedRadiographyImageStorage,
        UID,
        Status.SOP_CLASS_MISMATCH,
    ),
    "another SOP instance in the command": (
        lambda: native(source()),
        DX,
        OTHER_UID,
        Status.INVALID_SOP_INSTANCE,
    ),
    "a path as SOP instance": (
        lambda: native(source()),
        DX,
        "../../etc/passwd",
        Status.INVALID_SOP_INSTANCE,
    ),
    "a long SOP instance": (lambda: native(source()), DX, "1." * 40 + "1", Status.INVALID_SOP_INSTANCE),
    "no SOP instance": (lambda: native(source()), DX, "", Status.INVALID_SOP_INSTANCE),
    "an unknown SOP class": (lambda: native(source()), "1.2.3", UID, Status.SOP_CLASS_NOT_SUPPORTED),
    "no SOP class": (lambda: native(source()), "", UID, Status.SOP_CLASS_NOT_SUPPORTED),
    "a SOP class of another context": (
        lambda: native(source()),
        EncapsulatedPDFStorage,
        UID,
        Status.SOP_CLASS_MISMATCH,
    ),
    "Verification": (lambda: native(source()), Verification, UID, Status.SOP_CLASS_NOT_SUPPORTED),
}


@pytest.mark.parametrize(("data", "sop_class", "sop_instance", "status"), COMMANDS.values(), ids=COMMANDS)
def test_command_and_data_set_disagree(
    receiver: Receiver, data: Callable[[], bytes], sop_class: str, sop_instance: str, status: Status
) -> None:
    response = store(receiver, data(), sop_class=sop_class, sop_instance=sop_instance)
    assert response.status == status
    assert 0 < len(response.comment) <= MAX_ERROR_COMMENT
    assert receiver.files() == []


def test_a_command_that_is_none_ends_the_association_alone(receiver: Receiver) -> None:
    with Requestor(receiver.address) as peer, Requestor(receiver.address) as bystander:
        peer.associate(DX)
        bystander.associate(DX)
        peer.say(pdus.p_data(1, b"\xff" * 50, command=True))
        assert peer.hear_all() in ([CLOSED], ["aborted 2/6", CLOSED])
        assert bystander.store(DX, UID, native(source())).status == Status.SUCCESS


# --- out of resources, and bugs


def test_disk_below_the_watermark(tmp_path: Path) -> None:
    with receiving(tmp_path, min_free_disk_mb=10**9) as receiver:
        assert store(receiver, native(source())).status == Status.OUT_OF_RESOURCES
        assert receiver.files() == []


def test_queue_full(tmp_path: Path) -> None:
    with receiving(tmp_path, max_queued_images=1) as first:
        assert store(first, native(source())).status == Status.SUCCESS
    with receiving(tmp_path, max_queued_images=1) as second:
        refused = native(source(SOPInstanceUID=OTHER_UID))
        assert store(second, refused, sop_instance=OTHER_UID).status == Status.OUT_OF_RESOURCES
        assert len(second.rows()) == 1


def test_spool_that_cannot_be_written(receiver: Receiver) -> None:
    incoming = receiver.spool.root / "incoming"
    incoming.rmdir()
    incoming.touch()
    assert store(receiver, native(source())).status == Status.OUT_OF_RESOURCES
    assert receiver.rows() == []


def test_database_that_does_not_answer(receiver: Receiver) -> None:
    assert store(receiver, native(source())).status == Status.SUCCESS
    with receiver.engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE events"))
    response = store(receiver, native(source(SOPInstanceUID=OTHER_UID)), sop_instance=OTHER_UID)
    assert response.status == Status.OUT_OF_RESOURCES
    assert len(receiver.rows()) == 1


class BuggyLedger(Ledger):
    def record_received(self, received: Received, *args: Any) -> Arrival:  # noqa: ARG002
        raise ZeroDivisionError(received.path.name)


def test_a_bug_is_answered_and_logged_and_the_association_lives_on(tmp_path: Path) -> None:
    with receiving(tmp_path, ledger=BuggyLedger) as receiver, Requestor(receiver.address) as peer:
        peer.associate(DX)
        statuses = [peer.store(DX, UID, native(source())).status for _ in range(2)]
        assert statuses == [Status.INTERNAL] * 2
        assert all(entry["exc_info"] for entry in receiver.events("refused"))
