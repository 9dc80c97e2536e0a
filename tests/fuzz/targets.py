"""What is fuzzed, and what must hold whatever comes: a planned status, a reason code, no bug, no leak."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom.dsutils import decode as decode_command
from pynetdicom.sop_class import Verification

from gateway.dicom.statuses import Status
from gateway.errors import Reject
from gateway.records import Reason
from tests.fuzz import corpus
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.receiving import Receiver, receiving
from tests.support.results import results_of
from tests.wire import pdus
from tests.wire.requestor import Requestor

Run = Callable[[int, bytes], None]
IDLE_SECONDS = 60  # of the receiver: less than the patience
PLANNED = {int(status) for status in Status} - {Status.INTERNAL}


class BrokenError(AssertionError):
    """Something that must not happen whatever is sent."""


@contextmanager
def data_sets() -> Iterator[tuple[Sequence[bytes], Run]]:
    """C-STORE of mutated data sets; what is acknowledged goes on through every stage but the model."""
    samples = corpus.data_sets()
    with _receiver() as receiver:

        def run(number: int, data: bytes) -> None:
            sample = samples[number]
            with Requestor(receiver.address) as peer:
                peer.associate(sample.sop_class_uid, transfer_syntax_uid=sample.transfer_syntax_uid)
                response = peer.store(sample.sop_class_uid, sample.sop_instance_uid, data)
            _require(response is not None, "no response")
            _require(response.status in PLANNED, f"status {response.status:04X} is not planned")
            _require_no_bug(receiver)
            for file in receiver.files():
                answer_file(file)
                file.unlink()

        yield [sample.data for sample in samples], run


@contextmanager
def files() -> Iterator[tuple[Sequence[bytes], Run]]:
    """Mutated Part 10 files, file meta information included, as `gateway predict` reads them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file.dcm"

        def run(_: int, data: bytes) -> None:
            path.write_bytes(data)
            answer_file(path)

        yield corpus.files(), run


@contextmanager
def associations() -> Iterator[tuple[Sequence[bytes], Run]]:
    """Mutated PDU streams; after each, a well-behaved peer is served."""
    with _receiver() as receiver:
        streams = corpus.associations(receiver)

        def run(_: int, data: bytes) -> None:
            for status in _statuses(_spoken_to(receiver.address, data)):
                _require(status in PLANNED, f"status {status:04X} is not planned")
            with Requestor(receiver.address) as peer:
                _require(str(peer.associate(Verification)) == "accepted", "no association any more")
                _require(str(peer.release()) == "released", "no release any more")
            _require_no_bug(receiver)
            for file in receiver.files():
                file.unlink()

        yield streams, run


TARGETS = {"data_sets": data_sets, "files": files, "associations": associations}


def answer_file(path: Path) -> Reason | None:
    """Take a file through every stage but the model; return the reason code where there is no answer."""
    try:
        for result in results_of(path):
            _require_readable(dcmread(BytesIO(result.content)))
    except Reject as error:
        return error.reason
    return None


def _require_readable(result: Dataset) -> None:
    _require(result.SpecificCharacterSet == "ISO_IR 192", "a result in another character set")
    for element in result.iterall():
        _ = element.value


@contextmanager
def _receiver() -> Iterator[Receiver]:
    uncaught: list[Any] = []
    threading.excepthook = uncaught.append
    with (
        tempfile.TemporaryDirectory() as folder,
        receiving(Path(folder), idle_timeout_seconds=IDLE_SECONDS, max_queued_images=10**9) as receiver,
    ):
        yield receiver
        _require(not uncaught, f"threads ended by exceptions: {uncaught[:1]}")


def _require_no_bug(receiver: Receiver) -> None:
    bugs = [entry for entry in receiver.log if entry.get("exc_info")]
    receiver.log.clear()
    _require(not bugs, f"a bug: {bugs}")


def _spoken_to(address: tuple[str, int], data: bytes) -> bytes:
    """Send all of `data`, say that it is all, and return everything that is answered."""
    with socket.create_connection(address, timeout=PATIENCE_SECONDS) as connection:
        answered = b""
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(1 << 16):
                answered += part
        except (ConnectionResetError, BrokenPipeError):
            pass
        return answered


def _statuses(answered: bytes) -> Iterator[int]:
    """Yield the status of each response in a stream of PDUs."""
    while len(answered) > 6:
        length = int.from_bytes(answered[2:6])
        kind, body, answered = answered[0], answered[6 : 6 + length], answered[6 + length :]
        if kind == pdus.ABORT:
            return
        if kind == pdus.P_DATA_TF:
            command = decode_command(BytesIO(body[6:]), True, True)
            if "Status" in command:
                yield int(command.Status)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise BrokenError(otherwise)
