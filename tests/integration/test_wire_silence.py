"""Requestors that fall silent or drip: each is cut off within its deadline, with a line. All wait at the same
time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.support.gateway_process import wait_for
from tests.support.receiving import Receiver, receiving
from tests.wire import pdus
from tests.wire.requestor import CLOSED, Requestor

DX = "1.2.840.10008.5.1.4.1.1.1.1"
RQ = pdus.associate(
    pdus.ASSOCIATE_RQ,
    [
        pdus.proposed_context(1, pdus.VERIFICATION, pdus.IMPLICIT_VR),
        pdus.proposed_context(3, DX.encode(), pdus.EXPLICIT_VR),
    ],
)
STORE_RQ = pdus.p_data(3, pdus.c_store_rq(DX, "1.2.3"), command=True)
DATA = pdus.p_data(3, bytes(10_000), command=False)
REJECTED, ABORTED = "association_rejected", "association_aborted"


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    folder = tmp_path_factory.mktemp("receiver")
    with receiving(folder, idle_timeout_seconds=6, message_timeout_seconds=4) as running:
        yield running


def source_of(row: str) -> str:
    """Return the address that a row comes from, by which its line is found."""
    return f"127.2.0.{list(SLOW).index(row) + 1}"


@dataclass(frozen=True)
class Slow:
    """What is said before the silence, at what pace, and how it ends."""

    associates: bool
    says: bytes
    hears: Sequence[str]
    event: str
    why: str
    drips: bool = False


SLOW: dict[str, Slow] = {
    "silence": Slow(False, b"", [CLOSED], REJECTED, "did not request an association within"),
    "half a request": Slow(False, RQ[:50], [CLOSED], REJECTED, "did not request an association within"),
    "a request that drips in": Slow(
        False, RQ, [CLOSED], REJECTED, "did not request an association within", drips=True
    ),
    "silence after associating": Slow(True, b"", ["aborted 0/0", CLOSED], ABORTED, "silent for 6 s"),
    "silence within a message": Slow(
        True, STORE_RQ, ["aborted 0/0", CLOSED], ABORTED, "silent for 4 s within a message"
    ),
    "silence within a PDU": Slow(True, DATA[:99], [CLOSED], ABORTED, "did not end it within 4 s"),
    "a PDU that drips in": Slow(
        True,
        DATA,
        [CLOSED],
        ABORTED,
        "did not end it within 4 s",
        drips=True,
    ),
}


@pytest.fixture(scope="module")
def silences(receiver: Receiver) -> Iterator[dict[str, Future[list[str]]]]:
    with ThreadPoolExecutor(len(SLOW)) as pool:
        yield {row: pool.submit(keep_silent, receiver, row) for row in SLOW}


def keep_silent(receiver: Receiver, row: str) -> list[str]:
    slow = SLOW[row]
    with Requestor(receiver.address, source_of(row)) as peer:
        if slow.associates:
            peer.say(RQ)
            assert str(peer.hear()) == "accepted"
        if not slow.drips:
            peer.say(slow.says)
            return peer.hear_all()
        peer.socket.settimeout(0.1)
        for byte in slow.says:
            peer.say(bytes([byte]))
            try:
                if not peer.socket.recv(1):
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        return [CLOSED]


def lines_of(receiver: Receiver, row: str) -> list[tuple[str, str]]:
    about = [entry for entry in list(receiver.log) if entry.get("peer_address") == source_of(row)]
    return [(each["event"], each["why"]) for each in about if each["event"] in (REJECTED, ABORTED)]


@pytest.mark.parametrize("row", SLOW)
def test_silence_ends_with_a_line(
    receiver: Receiver, silences: dict[str, Future[list[str]]], row: str
) -> None:
    assert silences[row].result() == list(SLOW[row].hears)
    ((event, why),) = wait_for(lambda: lines_of(receiver, row))
    assert event == SLOW[row].event
    assert SLOW[row].why in why
    with Requestor(receiver.address) as honest:
        honest.say(RQ)
        assert str(honest.hear()) == "accepted"
        assert honest.ask(1, pdus.c_echo_rq()) == 0
