"""A running StorageSCP over a real spool and ledger, and a peer that sends whatever bytes it likes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom.dsutils import decode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context
from structlog.testing import capture_logs

from gateway.processes.receiver import storage_scp
from gateway.receive.storage_scp import StorageSCP
from gateway.settings import SCP
from gateway.store.ledger import Ledger
from gateway.store.schema import instances
from gateway.store.spool import Spool
from tests.support.database import database_in
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for

A_ASSOCIATE_AC, A_ASSOCIATE_RJ, P_DATA_TF, A_RELEASE_RP, A_ABORT = 2, 3, 4, 6, 7


@dataclass
class Receiver:
    """A StorageSCP that listens, with what it has kept and logged."""

    scp: StorageSCP
    spool: Spool
    engine: sa.Engine
    log: list[Any]

    @property
    def address(self) -> tuple[str, int]:
        return self.scp.address

    def rows(self) -> Sequence[sa.Row[Any]]:
        with self.engine.connect() as connection:
            return connection.execute(sa.select(instances).order_by(instances.c.id)).all()

    def files(self) -> list[Path]:
        return sorted(path for path in self.spool.root.rglob("*") if path.is_file())

    def events(self, name: str) -> list[Any]:
        return [entry for entry in self.log if entry["event"] == name]


@contextmanager
def receiving(
    folder: Path, spool: type[Spool] = Spool, ledger: type[Ledger] = Ledger, **settings: Any
) -> Iterator[Receiver]:
    """Run a StorageSCP; when the block ends it has stopped and left no thread."""
    engine = database_in(folder)
    kept = spool(folder / "spool")
    scp = storage_scp(SCP.model_validate({"port": 0} | settings), kept, ledger(engine, folder))
    before = set(threading.enumerate())
    with capture_logs() as log:
        scp.start()
        try:
            yield Receiver(scp, kept, engine, log)
        finally:
            scp.stop(10)
            engine.dispose()
    assert_ended(set(threading.enumerate()) - before)


def assert_ended(threads: set[threading.Thread]) -> None:
    """Wait for threads that are about to end."""
    wait_for(lambda: threads.isdisjoint(threading.enumerate()))


def data_set_of(part_10_file: bytes) -> bytes:
    """Return the data set of a Part 10 file."""
    group_length = int.from_bytes(part_10_file[140:144], "little")
    return part_10_file[144 + group_length :]


class RawPeer:
    """A DICOM peer made of bytes."""

    def __init__(self, address: tuple[str, int], source: str = "") -> None:
        self.socket = socket.create_connection(address, timeout=PATIENCE_SECONDS, source_address=(source, 0))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_pdu(self) -> tuple[int, bytes] | None:
        """Return type and body of the next PDU, None when the connection has been closed."""
        head = self._read(6)
        if len(head) < 6:
            return None
        return head[0], self._read(struct.unpack(">L", head[2:])[0])

    def associate(
        self,
        *sop_classes: str,
        transfer_syntax_uid: str = ExplicitVRLittleEndian,
        called: str = "CXR_GATEWAY",
        calling: str = "RAW",
    ) -> tuple[int, bytes] | None:
        """Propose one context per SOP class, numbered 1, 3, 5 …; return the answer."""
        self.send(associate_request(sop_classes, transfer_syntax_uid, called, calling))
        return self.read_pdu()

    def c_store(
        self, sop_class: str, sop_instance: str, data: bytes | None, *, context_id: int = 1
    ) -> Dataset | None:
        """Send one C-STORE request; return the response's command set, None when there is none."""
        self.send(p_data(context_id, 3, c_store_command(sop_class, sop_instance, data is not None)))
        for start in range(0, len(data or b"") or 1, 60_000):
            if data is not None:
                last = start + 60_000 >= len(data)
                self.send(p_data(context_id, 2 if last else 0, data[start : start + 60_000]))
        return self.read_response()

    def read_response(self) -> Dataset | None:
        answer = self.read_pdu()
        if answer is None or answer[0] != P_DATA_TF:
            return None
        return decode(BytesIO(answer[1][6:]), True, True)

    def release(self) -> tuple[int, bytes] | None:
        self.send(pdu(5, bytes(4)))
        return self.read_pdu()

    def _read(self, count: int) -> bytes:
        received = b""
        try:
            while len(received) < count and (part := self.socket.recv(count - len(received))):
                received += part
        except ConnectionResetError:
            pass
        return received


def pdu(pdu_type: int, body: bytes) -> bytes:
    return struct.pack(">BBL", pdu_type, 0, len(body)) + body


def p_data(context_id: int, control: int, fragment: bytes) -> bytes:
    """Return a P-DATA-TF; control 1: command, 2: last fragment (PS3.8 E.2)."""
    return pdu(P_DATA_TF, struct.pack(">LBB", len(fragment) + 2, context_id, control) + fragment)


def c_store_command(sop_class: str, sop_instance: str, has_data_set: bool) -> bytes:
    """Return a C-STORE-RQ command set (PS3.7 9.3.1.1)."""
    data_set_type = 0x0001 if has_data_set else 0x0101
    elements = (
        (0x0002, _uid(sop_class)),
        (0x0100, struct.pack("<H", 0x0001)),
        (0x0110, struct.pack("<H", 7)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", data_set_type)),
        (0x1000, _uid(sop_instance)),
    )
    body = b"".join(struct.pack("<HHL", 0, number, len(value)) + value for number, value in elements)
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _uid(text: str) -> bytes:
    return text.encode() + b"\0" * (len(text) % 2)


def associate_request(
    sop_classes: Sequence[str], transfer_syntax_uid: str, called: str, calling: str
) -> bytes:
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = calling, called
    contexts = [build_context(each, transfer_syntax_uid) for each in sop_classes]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    request.presentation_context_definition_list = contexts
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = "1.2.3.4"
    request.user_information = [length, implementation]
    encoded = A_ASSOCIATE_RQ()
    encoded.from_primitive(request)
    return encoded.encode()
