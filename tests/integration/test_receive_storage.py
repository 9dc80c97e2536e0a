"""What is kept, in which order, and what a resend or a stop does."""

from __future__ import annotations

import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
    GrayscaleSoftcopyPresentationStateStorage,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
    SecondaryCaptureImageStorage,
    XRayRadiationDoseSRStorage,
)
from pynetdicom import AE
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification

from gateway.dicom.statuses import Status
from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.errors import ConfigurationError
from gateway.files.draft import Draft
from gateway.processes.receiver import storage_scp
from gateway.receive.storage_scp import MAXIMUM_PDU_SIZE
from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, Received
from gateway.settings import SCP
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.spool import Spool
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.receiving import Receiver, data_set_of, receiving
from tests.support.sockets import listens
from tests.support.sources import cr, dx, encoded
from tests.wire.requestor import Requestor

RADIOGRAPHS = (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    SecondaryCaptureImageStorage,
)
BESIDE_THEM = (
    ComprehensiveSRStorage,
    Comprehensive3DSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    XRayRadiationDoseSRStorage,
    CTImageStorage,
)


def send(address: tuple[str, int], *sources: Dataset, syntax: str = ExplicitVRLittleEndian) -> list[int]:
    """Send with pynetdicom's SCU; return the statuses."""
    ae = AE("MODALITY")
    for sop_class in {ds.SOPClassUID for ds in sources}:
        ae.add_requested_context(sop_class, syntax)
    assoc = ae.associate(*address, ae_title="CXR_GATEWAY")
    assert assoc.is_established
    statuses = [assoc.send_c_store(ds).Status for ds in sources]
    assoc.release()
    return statuses


def test_echo_and_what_is_advertised(receiver: Receiver) -> None:
    ae = AE("MODALITY")
    ae.add_requested_context(Verification)
    assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY")
    assert assoc.send_c_echo().Status == Status.SUCCESS
    assert assoc.acceptor.maximum_length == MAXIMUM_PDU_SIZE == 131072
    assert assoc.acceptor.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert assoc.acceptor.implementation_version_name == IMPLEMENTATION_VERSION_NAME
    assoc.release()


@pytest.mark.parametrize("sop_class", [*RADIOGRAPHS, *BESIDE_THEM])
def test_every_transfer_syntax_is_accepted(receiver: Receiver, sop_class: str) -> None:
    ae = AE("MODALITY")
    ae.requested_contexts = [build_context(sop_class, syntax) for syntax in TRANSFER_SYNTAXES]
    assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY")
    accepted = [context.transfer_syntax[0] for context in assoc.accepted_contexts]
    assoc.release()
    assert accepted == list(TRANSFER_SYNTAXES)


def test_of_several_transfer_syntaxes_the_one_without_codec_is_taken(receiver: Receiver) -> None:
    ae = AE("MODALITY")
    ae.add_requested_context(RADIOGRAPHS[0], [*reversed(TRANSFER_SYNTAXES)])
    assoc = ae.associate(*receiver.address, ae_title="CXR_GATEWAY")
    assert assoc.accepted_contexts[0].transfer_syntax == [ExplicitVRLittleEndian]
    assoc.release()


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEG2000Lossless])
def test_the_bytes_are_kept_as_they_came(receiver: Receiver, syntax: str) -> None:
    source = dx()
    data = data_set_of(encoded(source, syntax))
    assert send(receiver.address, source, syntax=syntax) == [Status.SUCCESS]
    (file,), (row,) = receiver.files(), receiver.rows()
    assert data_set_of(file.read_bytes()) == data
    assert file.name == f"{sha256(data).hexdigest()}.dcm"
    assert row.path == str(file.relative_to(receiver.spool.root.parent))
    assert (row.sop_instance_uid, row.transfer_syntax_uid) == (source.SOPInstanceUID, syntax)
    assert (row.calling_ae_title, row.called_ae_title) == ("MODALITY", "CXR_GATEWAY")
    assert (row.peer_address, row.size_bytes) == ("127.0.0.1", len(data))
    stored = dcmread(file)
    assert stored.file_meta.TransferSyntaxUID == syntax
    assert stored.file_meta.ImplementationClassUID == IMPLEMENTATION_CLASS_UID
    assert stored.file_meta.SourceApplicationEntityTitle == "MODALITY"
    assert stored.pixel_array.shape == (96, 80)


def test_the_log_names_uids_and_titles_but_no_patient(receiver: Receiver) -> None:
    source = dx()
    send(receiver.address, source)
    (received,) = receiver.events("received")
    assert received["sop_instance_uid"] == source.SOPInstanceUID
    assert received["study_instance_uid"] == source.StudyInstanceUID
    assert received["calling_ae_title"] == "MODALITY"
    assert received["arrival"] == Arrival.NEW
    text = str(receiver.log)
    assert not any(
        str(each) in text for each in (source.PatientName, source.PatientID, source.AccessionNumber)
    )


def test_duplicates(receiver: Receiver) -> None:
    first, changed = cr(SOPInstanceUID="1.2.3"), cr(SOPInstanceUID="1.2.3", PatientComments="corrected")
    assert send(receiver.address, first, first, changed) == [Status.SUCCESS] * 3
    arrivals = [entry["arrival"] for entry in receiver.events("received")]
    assert arrivals == [Arrival.NEW, Arrival.RESENT, Arrival.CHANGED]
    assert len(receiver.rows()) == len(receiver.files()) == 2


order: list[str] = []


class WitnessingSpool(Spool):
    def finish(self, draft: Draft, name: str) -> Path:
        path = super().finish(draft, name)
        order.append("kept")
        return path


class WitnessingLedger(Ledger):
    def record_received(self, received: Received, *args: Any) -> Arrival:
        assert sha256(data_set_of(received.path.read_bytes())).hexdigest() == received.sha256
        arrival = super().record_received(received, *args)
        order.append("committed")
        return arrival


def test_file_then_row_then_success(tmp_path: Path) -> None:
    order.clear()
    with receiving(tmp_path, spool=WitnessingSpool, ledger=WitnessingLedger) as receiver:
        assert send(receiver.address, dx()) == [Status.SUCCESS]
        order.append("acknowledged")
    assert order == ["kept", "committed", "acknowledged"]


@pytest.mark.parametrize("call", ["__init__", "reader", "finish"])
def test_a_file_that_cannot_be_opened_now_may_be_sent_again(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def too_many(*_: Any, **__: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    source = dx()
    with monkeypatch.context() as at_its_limit:
        at_its_limit.setattr(Draft, call, too_many)
        assert send(receiver.address, source) == [Status.OUT_OF_RESOURCES]
    (refused,) = receiver.events("refused")
    assert refused["reason"] == "the spool cannot be written: Too many open files"
    assert send(receiver.address, source) == [Status.SUCCESS]
    assert [row.sop_instance_uid for row in receiver.rows()] == [source.SOPInstanceUID]


def test_four_senders_at_once(receiver: Receiver) -> None:
    batches = [[dx() for _ in range(10)] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        statuses = list(
            pool.map(lambda batch: send(receiver.address, *batch, syntax=RLELossless), batches_rle(batches))
        )
    assert statuses == [[Status.SUCCESS] * 10] * 4
    sent = {ds.SOPInstanceUID for batch in batches for ds in batch}
    assert {row.sop_instance_uid for row in receiver.rows()} == sent
    assert len(receiver.files()) == 40


def batches_rle(batches: list[list[Dataset]]) -> list[list[Dataset]]:
    for ds in (ds for batch in batches for ds in batch):
        encoded(ds, RLELossless)
    return batches


# --- start and stop


def test_a_port_in_use_is_one_clear_line(receiver: Receiver, tmp_path: Path) -> None:
    _, port = receiver.address
    second = storage_scp(SCP(port=port), receiver.spool, Ledger(receiver.engine, tmp_path))
    with pytest.raises(ConfigurationError, match=f"scp.port: cannot listen on 127.0.0.1:{port}") as problem:
        second.start()
    assert "\n" not in str(problem.value)


gate, entered = threading.Event(), threading.Event()


class SlowLedger(Ledger):
    def record_received(self, received: Received, *args: Any) -> Arrival:
        entered.set()
        assert gate.wait(PATIENCE_SECONDS)
        return super().record_received(received, *args)


def test_stop_lets_a_running_c_store_finish_and_then_closes(tmp_path: Path) -> None:
    gate.clear()
    entered.clear()
    source = dx()
    data = data_set_of(encoded(source))
    with receiving(tmp_path, ledger=SlowLedger) as receiver, Requestor(receiver.address) as peer:
        address = receiver.address
        peer.associate(source.SOPClassUID)
        with ThreadPoolExecutor(2) as pool:
            response = pool.submit(peer.store, source.SOPClassUID, source.SOPInstanceUID, data)
            assert entered.wait(PATIENCE_SECONDS)
            stopped = pool.submit(receiver.scp.stop, 10, silence_seconds=0)
            wait_for(lambda: not listens(*address))
            assert not stopped.done()
            gate.set()
            answer = response.result(PATIENCE_SECONDS)
            stopped.result(PATIENCE_SECONDS)
        assert answer.status == Status.SUCCESS
        assert str(peer.hear()).startswith("aborted")
        assert len(receiver.rows()) == 1
