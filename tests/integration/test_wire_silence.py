"""Requestors that fall silent or drip: each is cut off within its deadline, with a line. All wait at the same
time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from tests.support.receiving import receiving
from tests.wire import pdus
from tests.wire.answered import ABORTED, DX, REJECTED, Rows, rq
from tests.wire.requestor import CLOSED

RQ = rq()
STORE_RQ = pdus.p_data(3, pdus.c_store_rq(DX, "1.2.3"), command=True)
DATA = pdus.p_data(3, bytes(10_000), command=False)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rows]:
    folder = tmp_path_factory.mktemp("receiver")
    with receiving(folder, idle_timeout_seconds=6, message_timeout_seconds=4) as running:
        yield Rows(running, list(SLOW))


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
def silences(rows: Rows) -> Iterator[dict[str, Future[list[str]]]]:
    with ThreadPoolExecutor(len(SLOW)) as pool:
        yield {row: pool.submit(keep_silent, rows, row) for row in SLOW}


def keep_silent(rows: Rows, row: str) -> list[str]:
    slow = SLOW[row]
    with rows.associated(row) if slow.associates else rows.peer(row) as peer:
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


@pytest.mark.parametrize("row", SLOW)
def test_silence_ends_with_a_line(rows: Rows, silences: dict[str, Future[list[str]]], row: str) -> None:
    assert silences[row].result() == list(SLOW[row].hears)
    rows.assert_told(row, SLOW[row].event, SLOW[row].why)
    rows.assert_next_is_served()
