"""No read and no write of a connection waits for ever."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.upper_layer.endings import INVALID_PARAMETER, UNRECOGNISED_PDU, Malformed
from gateway.upper_layer.transport import MAX_CONTROL_PDU_BYTES, MAX_PDU_BYTES, PDUSocket
from tests.support.sockets import acknowledges_at_once, connected_pair, converse
from tests.wire import pdus

PATIENCE_SECONDS = 60.0
SHORT_SECONDS = 0.2  # where the peer is to be given up


class Connected:
    """A PDUSocket, its peer, and why it ended."""

    def __init__(self, seconds: float = PATIENCE_SECONDS) -> None:
        self.near, self.peer = connected_pair()
        self.causes: list[str] = []
        self.events: queue.Queue[str] = queue.Queue()
        dul = SimpleNamespace(end=self.causes.append, event_queue=self.events)
        assoc = SimpleNamespace(dul=dul, is_established=True, get_handlers=lambda _: [])
        self.transport = PDUSocket(cast(Any, assoc), self.near, seconds)


@pytest.fixture
def connected() -> Iterator[Connected]:
    both = Connected()
    with both.near, both.peer:
        yield both


@pytest.fixture
def impatient() -> Iterator[Connected]:
    both = Connected(SHORT_SECONDS)
    with both.near, both.peer:
        yield both


def test_pdus_of_every_length_are_read_whole(connected: Connected) -> None:
    bodies = [bytes([number]) * (number * 4111 % 300_000) for number in range(1, 80)]

    def send() -> None:
        for body in bodies:
            connected.peer.sendall(pdus.pdu(4, body))

    sending = Thread(target=send)
    sending.start()
    read = []
    for _ in bodies:
        received = connected.transport.read_pdu()
        assert received is not None
        read.append(bytes(received[1]))
    sending.join()
    assert read == bodies


def test_what_is_waited_for_is_acknowledged_at_once(connected: Connected) -> None:
    converse(connected.near, connected.peer)
    assert not acknowledges_at_once(connected.near), "else the test shows nothing"
    connected.transport.bell.open()
    connected.transport.wait(0)
    connected.transport.bell.close()
    assert acknowledges_at_once(connected.near)


def test_a_peer_that_takes_nothing_is_given_up(impatient: Connected) -> None:
    impatient.transport.send(bytes(10_000_000))
    assert impatient.causes == [f"the peer took no data for {SHORT_SECONDS:g} s"]
    assert list(impatient.events.queue)[-1] == "Evt17"


def test_a_peer_that_has_gone_is_told(connected: Connected) -> None:
    connected.peer.close()
    connected.transport.send(bytes(10_000_000))
    assert "broke" in connected.causes[0]


@pytest.mark.parametrize("begun", [b"\x04", b"\x04\0\0\0\1", pdus.pdu(4, bytes(10), length=11)])
def test_a_pdu_that_does_not_end_is_given_up(impatient: Connected, begun: bytes) -> None:
    impatient.peer.sendall(begun)
    with pytest.raises(TimeoutError):
        impatient.transport.read_pdu()


def test_a_pdu_that_comes_byte_by_byte_is_given_up(impatient: Connected) -> None:
    over = Event()

    def trickle() -> None:
        impatient.peer.sendall(b"\x04\0\0\1\0\0")
        while not over.wait(SHORT_SECONDS / 20):
            impatient.peer.sendall(b"x")

    trickling = Thread(target=trickle)
    trickling.start()
    try:
        with pytest.raises(TimeoutError):
            impatient.transport.read_pdu()
    finally:
        over.set()
        trickling.join()


def test_reading_on_takes_what_has_come_and_waits_for_nothing(connected: Connected) -> None:
    assert not connected.transport.read_on()
    connected.peer.sendall(pdus.pdu(4, b"data"))
    assert connected.transport.read_on()
    connected.peer.close()
    assert connected.transport.read_pdu() == (4, b"data")
    assert not connected.transport.read_on()
    assert connected.transport.read_pdu() is None


def test_a_close_between_two_pdus_is_an_end_within_one_an_error(connected: Connected) -> None:
    connected.peer.sendall(pdus.release_rq() + b"\x04\0")
    connected.peer.close()
    assert connected.transport.read_pdu() == (pdus.RELEASE_RQ, bytes(4))
    with pytest.raises(ConnectionError, match="within a PDU"):
        connected.transport.read_pdu()


def test_a_close_is_the_end(connected: Connected) -> None:
    connected.peer.close()
    assert connected.transport.read_pdu() is None


@pytest.mark.parametrize(
    ("kind", "length", "reason"),
    [
        (pdus.P_DATA_TF, MAX_PDU_BYTES + 1, INVALID_PARAMETER),
        (pdus.P_DATA_TF, 0xFFFFFFFF, INVALID_PARAMETER),
        (pdus.ASSOCIATE_RQ, MAX_CONTROL_PDU_BYTES + 1, INVALID_PARAMETER),
        (0, 4, UNRECOGNISED_PDU),
        (8, 4, UNRECOGNISED_PDU),
        (255, 0xFFFFFFFF, UNRECOGNISED_PDU),
    ],
)
def test_no_length_and_no_type_is_believed(connected: Connected, kind: int, length: int, reason: int) -> None:
    connected.peer.sendall(pdus.pdu(kind, b"", length=length))
    with pytest.raises(Malformed) as fault:
        connected.transport.read_pdu()
    assert fault.value.reason == reason
