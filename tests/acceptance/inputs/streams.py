"""Streams of bytes below DIMSE: sent before an association is open, or within one."""

from __future__ import annotations

from pydicom import uid

from tests.wire import pdus
from tests.wire.pdus import pdu

DX = str(uid.DigitalXRayImageStorageForPresentation)


def command(fragment: bytes, context_id: int = 1) -> bytes:
    return pdus.p_data(context_id, fragment, command=True)


def request(*elements: tuple[int, bytes]) -> bytes:
    """Return a message without data set, of these elements of group 0000."""
    return command(pdus.command_set(*(pdus.element(number, value) for number, value in elements)))


SOP_CLASS, FIELD, MESSAGE_ID, ANSWERED, DATA_SET = 0x0002, 0x0100, 0x0110, 0x0120, 0x0800
NO_DATA_SET = (DATA_SET, pdus.us(pdus.NO_DATA_SET))
UID = b"1.2\0"
STORE_RQ = command(pdus.c_store_rq(DX, "1.2.3"))
RELEASE, ABORT = pdus.release_rq(), pdus.abort()
BEFORE_ASSOCIATION = {
    "a bare TCP health probe": b"",
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS ClientHello": bytes.fromhex("16030100c8010000c40303") + bytes(193),
    "a claimed PDU of 4 GiB": pdu(1, b"", length=0xFFFFFFFF),
    "half an A-ASSOCIATE-RQ": pdu(1, bytes(50), length=200),
    "an A-ASSOCIATE-RQ of nonsense": pdu(1, b"\xff" * 200),
    "a P-DATA-TF": command(bytes(20)),
    "an A-RELEASE-RQ": RELEASE,
    "an A-ABORT": ABORT,
    "two A-ABORTs": ABORT * 2,
    "an A-ASSOCIATE-AC": pdu(2, bytes(68)),
}
WITHIN_ASSOCIATION = {
    "a sender that vanishes between PDUs": b"",
    "a sender that vanishes mid-PDU": pdu(4, bytes(1000), length=60_000),
    "a sender that vanishes mid-message": STORE_RQ,
    "a claimed PDU of 4 GiB": pdu(4, bytes(100), length=0xFFFFFFFF),
    "a PDU type that is none": pdu(99, bytes(10)),
    "an A-ABORT, and more after it": ABORT + command(bytes(10)),
    "an A-ASSOCIATE-RQ again": pdu(1, bytes(68)),
    "an A-RELEASE-RQ, and more after it": RELEASE + STORE_RQ,
    "an A-RELEASE-RP that nobody asked for": pdu(6, bytes(4)),
    "a PDV of no length": pdu(4, bytes(4)),
    "a PDV longer than its PDU": pdu(4, (5000).to_bytes(4, "big") + b"\1\3" + bytes(10)),
    "a PDV of a context that was not accepted": command(bytes(10), context_id=77),
    "a data set without command": pdus.p_data(1, bytes(100), command=False),
    "a command that is none": command(b"\xff" * 50),
    "a command without command field": request((MESSAGE_ID, pdus.us(1))),
    "a request without message ID": request(
        (FIELD, pdus.us(1)), (DATA_SET, pdus.us(pdus.DATA_SET)), (SOP_CLASS, UID)
    ),
    "a C-FIND-RQ in a storage context": request(
        (SOP_CLASS, UID), (FIELD, pdus.us(0x0020)), (MESSAGE_ID, pdus.us(1)), NO_DATA_SET
    ),
    "a C-STORE-RSP that nobody asked for": command(
        pdus.response(pdus.C_STORE_RSP, 1, 0x0000, sop_class_uid="1.2")
    ),
    "a C-CANCEL-RQ": request((FIELD, pdus.us(0x0FFF)), (ANSWERED, pdus.us(1)), NO_DATA_SET),
    "an N-ACTION-RQ": request(
        (0x0003, UID), (FIELD, pdus.us(0x0130)), (MESSAGE_ID, pdus.us(1)), NO_DATA_SET, (0x1001, UID),
        (0x1008, pdus.us(1)),
    ),
}  # fmt: skip
