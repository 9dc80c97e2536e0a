"""Storage Commitment with a scripted PACS that reports on our association, on its own, or not at all."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path

import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import N_ACTION_RSP
from pynetdicom.events import Event
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    Verification,
)

from gateway.deliver.c_store import StorageSCU
from gateway.errors import Retry
from gateway.requestor.storage_scu import Unsupported
from gateway.settings import DicomDestination
from gateway.store.commitments import Commitments
from gateway.store.entries import DeliveryState, PendingDelivery
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from tests.support.database import database_in
from tests.support.ledger_rows import answer, claim, received, record_answer
from tests.support.receiving import receiving
from tests.wire.acceptor import accepting
from tests.wire.pacs_scripts import accepting_with, context

TRANSACTION = "2.25.77"
KEPT = (DeliveryState.COMMITTED, None)
LOST = (DeliveryState.PENDING, "not committed: no such object instance (0x0112)")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    engine = database_in(tmp_path)
    yield Ledger(engine, tmp_path)
    engine.dispose()


@pytest.fixture
def stored(ledger: Ledger, tmp_path: Path) -> PendingDelivery:
    """A result that the PACS has; it is about to be asked to keep it."""
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    record_answer(ledger, image, answer(tmp_path, "pacs"))
    outbox = Outbox(ledger)
    outbox.record_stored(*outbox.claim("pacs", "worker", 1), to_be_committed=True)
    (stored,) = outbox.claim("pacs", "worker", 1)
    Commitments(ledger, lambda _: 5.0).record_asked(stored, TRANSACTION, 3600)
    return stored


@contextmanager
def pacs(
    status: int = 0x0000,
    then: Callable[[Association, Dataset], object] = lambda *_: None,
    sop_class: str = StorageCommitmentPushModel,
) -> Iterator[DicomDestination]:
    """Run a peer that answers an N-ACTION with a status, and once that is sent does something else."""
    asked: list[Dataset] = []
    done: list[threading.Thread] = []

    def take(event: Event) -> tuple[int, None]:
        asked.append(event.action_information)
        return status, None

    def go_on(event: Event) -> None:
        if isinstance(event.message, N_ACTION_RSP):
            done.append(threading.Thread(target=then, args=(event.assoc, asked.pop())))
            done[-1].start()

    ae = AE("PACS")
    ae.add_supported_context(sop_class)
    handlers = [(evt.EVT_N_ACTION, take), (evt.EVT_DIMSE_SENT, go_on)]
    server = ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    host, port = server.socket.getsockname()[:2]
    try:
        yield DicomDestination(
            name="pacs", kind="dicom", ae_title="PACS", host=host, port=port, timeout_seconds=60
        )
    finally:
        for thread in done:
            thread.join()
        server.shutdown()


def ask(destination: DicomDestination, stored: PendingDelivery, ledger: Ledger) -> None:
    StorageSCU(destination, "CXR_GATEWAY").commit([stored], TRANSACTION, Commitments(ledger, lambda _: 5.0))


def report(assoc: Association, request: Dataset, failure_reason: int | None = None) -> int:
    """Send an N-EVENT-REPORT on everything that was asked for; return how it was answered."""
    told = Dataset()
    told.TransactionUID = request.TransactionUID
    items = list(request.ReferencedSOPSequence)
    for item in items if failure_reason else []:
        item.FailureReason = failure_reason
    setattr(told, "FailedSOPSequence" if failure_reason else "ReferencedSOPSequence", items)
    where = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    status, _ = assoc.send_n_event_report(told, 2 if failure_reason else 1, *where)
    return int(status.Status)


def standing(ledger: Ledger) -> tuple[str, str | None]:
    (version,) = Images(ledger).versions("1.2.1")
    (delivery,) = version.deliveries
    return delivery.state, delivery.last_error


REPORTS = pytest.mark.parametrize(("failure_reason", "expected"), [(None, KEPT), (0x0112, LOST)])


@REPORTS
def test_a_report_on_the_same_association_counts(
    ledger: Ledger, stored: PendingDelivery, failure_reason: int | None, expected: tuple[str, str | None]
) -> None:
    with pacs(then=lambda assoc, request: report(assoc, request, failure_reason)) as destination:
        ask(destination, stored, ledger)
    assert standing(ledger) == expected


@REPORTS
@pytest.mark.parametrize("negotiates_roles", [True, False])
def test_a_report_on_an_association_of_the_pacs_counts(
    ledger: Ledger,
    stored: PendingDelivery,
    tmp_path: Path,
    failure_reason: int | None,
    expected: tuple[str, str | None],
    negotiates_roles: bool,
) -> None:
    requests: list[Dataset] = []
    with pacs(then=lambda _, request: requests.append(request)) as destination:
        ask(destination, stored, ledger)
    assert standing(ledger) == (DeliveryState.STORED, None)
    with receiving(tmp_path) as receiver, calling(receiver.address, negotiates_roles) as assoc:
        assert report(assoc, requests[0], failure_reason) == 0x0000
    assert standing(ledger) == expected


@contextmanager
def calling(address: tuple[str, int], negotiates_roles: bool) -> Iterator[Association]:
    """Associate as a PACS that has something to report: as the service's SCP."""
    ae = AE("PACS")
    ae.add_requested_context(StorageCommitmentPushModel)
    roles = [build_role(StorageCommitmentPushModel, scp_role=True)] if negotiates_roles else []
    assoc = ae.associate(*address, ae_title="CXR_GATEWAY", ext_neg=roles)
    assert assoc.is_established
    yield assoc
    assoc.release()


def test_a_report_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver, calling(receiver.address, True) as assoc:
        where = StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        nothing = Dataset()
        nothing.TransactionUID = TRANSACTION
        assert assoc.send_n_event_report(nothing, 3, *where)[0].Status == 0x0113
        del nothing.TransactionUID
        nothing.ReferencedSOPSequence = []
        assert assoc.send_n_event_report(nothing, 1, *where)[0].Status == 0x0115


def test_a_report_that_nobody_asked_for_is_logged(tmp_path: Path) -> None:
    request = Dataset()
    request.TransactionUID = TRANSACTION
    request.ReferencedSOPSequence = [Dataset()]
    request.ReferencedSOPSequence[0].ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    request.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "2.25.1"
    with receiving(tmp_path) as receiver, calling(receiver.address, True) as assoc:
        assert report(assoc, request) == 0x0000
        (event,) = receiver.events("commitment_unmatched")
    assert event["transaction_uid"] == TRANSACTION


def test_a_report_on_other_objects_is_logged(ledger: Ledger, stored: PendingDelivery, tmp_path: Path) -> None:
    """A PACS that gives objects UIDs of its own reports on those; nobody would know why it never commits."""
    requests: list[Dataset] = []
    with pacs(then=lambda _, request: requests.append(request)) as destination:
        ask(destination, stored, ledger)
    (asked,) = requests
    changed = deepcopy(asked)
    changed.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3.4"
    with receiving(tmp_path) as receiver, calling(receiver.address, True) as assoc:
        assert report(assoc, changed) == 0x0000
        assert standing(ledger) == (DeliveryState.STORED, None)
        (event,) = receiver.events("commitment_unmatched")
        assert "names 1 objects that the request did not" in event["reason"]
        for _ in range(2):  # the second one tells nothing new, and is no riddle
            assert report(assoc, asked) == 0x0000
        assert len(receiver.events("commitment_unmatched")) == 1
    assert standing(ledger) == KEPT


def test_a_request_that_is_not_taken_is_for_later(ledger: Ledger, stored: PendingDelivery) -> None:
    with pacs(status=0x0213) as destination, pytest.raises(Retry, match="0x0213"):
        ask(destination, stored, ledger)
    assert standing(ledger) == (DeliveryState.STORED, None)


def test_a_context_that_is_refused_for_now_is_for_later(ledger: Ledger, stored: PendingDelivery) -> None:
    with accepting([accepting_with(contexts=context(2))]) as acceptor:
        destination = DicomDestination(
            name="pacs", kind="dicom", ae_title="PACS", host="127.0.0.1", port=acceptor.port
        )
        with pytest.raises(Retry, match="no reason given"):
            ask(destination, stored, ledger)


def test_a_pacs_without_storage_commitment_is_told_apart(ledger: Ledger, stored: PendingDelivery) -> None:
    with pacs(sop_class=Verification) as destination, pytest.raises(Unsupported):
        ask(destination, stored, ledger)
