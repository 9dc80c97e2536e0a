"""Rows of requestors against one receiver: its answer to a row, its line about the row, its service after it.

Every row comes from an address of its own, by which its line is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian

from tests.support.gateway_process import wait_for
from tests.support.receiving import Receiver, data_set_of
from tests.support.sources import dx, encoded
from tests.wire import pdus
from tests.wire.requestor import Requestor

SUCCESS = 0x0000
IMAGE = dx()
DX = str(IMAGE.SOPClassUID)
UID = str(IMAGE.SOPInstanceUID)
DATA = data_set_of(encoded(IMAGE, ExplicitVRLittleEndian))

ECHO = pdus.proposed_context(1, pdus.VERIFICATION, pdus.IMPLICIT_VR)
STORE = pdus.proposed_context(3, DX.encode(), pdus.EXPLICIT_VR)
REJECTED, ABORTED = "association_rejected", "association_aborted"


def rq(*contexts: bytes, **changed: object) -> bytes:
    """Return an A-ASSOCIATE-RQ, good but for what is changed."""
    return pdus.associate(pdus.ASSOCIATE_RQ, contexts or (ECHO, STORE), **changed)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Rows:
    """The rows of a module and the receiver that answers them."""

    receiver: Receiver
    names: Sequence[str]

    def peer(self, row: str) -> Requestor:
        """Connect for a row."""
        return Requestor(self.receiver.address, self._source_of(row))

    def associated(self, row: str) -> Requestor:
        """Associate for a row."""
        peer = self.peer(row)
        peer.say(rq())
        assert str(peer.hear()) == "accepted"
        return peer

    def lines(self, row: str) -> list[tuple[str, str]]:
        """Return the events that tell of refused or ended connections of a row, each with its reason."""
        source = self._source_of(row)
        about = [entry for entry in list(self.receiver.log) if entry.get("peer_address") == source]
        return [(each["event"], each["why"]) for each in about if each["event"] in (REJECTED, ABORTED)]

    def assert_told(self, row: str, event: str | None, why: str) -> None:
        """See that exactly one line tells of the row, or none."""
        if event is not None:
            wait_for(lambda: self.lines(row))
        told = self.lines(row)
        assert [each for each, _ in told] == ([event] if event else [])
        assert all(why in each for _, each in told)

    def assert_next_is_served(self) -> None:
        """See that an honest C-ECHO and C-STORE succeed."""
        with Requestor(self.receiver.address) as honest:
            honest.say(rq())
            assert str(honest.hear()) == "accepted"
            assert honest.ask(1, pdus.c_echo_rq()).status == SUCCESS
            assert honest.ask(3, pdus.c_store_rq(DX, UID), DATA).status == SUCCESS
            assert str(honest.release()) == "released"

    def _source_of(self, row: str) -> str:
        number = self.names.index(row)
        return f"127.1.{number // 250}.{number % 250 + 1}"
