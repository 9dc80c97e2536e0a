"""The gateway's end of an association that a peer has requested.

Made by `listener` for each connection. Serves C-ECHO, C-STORE and N-EVENT-REPORT one at a time, aborts the
association on any other message, and reads no further while the receiver's memory is full.

Private names of pynetdicom used here: `Association._serve_request`.
"""

from __future__ import annotations

from typing import Any

from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.ae import ApplicationEntity
from pynetdicom.dimse_messages import C_STORE_RQ, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE, N_EVENT_REPORT
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from gateway.receive.association import peer_fields
from gateway.receive.c_store import ArrivingDataSet, CStore
from gateway.receive.command import is_refused
from gateway.receive.memory import Memory
from gateway.receive.refusals import RefusalReporter
from gateway.telemetry.events import Event
from gateway.upper_layer.association import Association
from gateway.upper_layer.endings import Ending
from gateway.upper_layer.messages import Messages

_SERVED = (C_ECHO, C_STORE, N_EVENT_REPORT)
_SOP_CLASSES = {C_ECHO: Verification, N_EVENT_REPORT: StorageCommitmentPushModel}  # of C-STORE: `is_refused`


class Acceptor(Association):
    """An association that a peer has requested."""

    dimse: ArrivingMessages

    def __init__(
        self, ae: ApplicationEntity, c_store: CStore, memory: Memory, refusals: RefusalReporter
    ) -> None:
        super().__init__(ae, MODE_ACCEPTOR)
        self._memory = memory
        self._refusals = refusals
        self._is_serving = False
        self.dimse = ArrivingMessages(self, c_store, memory)
        self.dul.on_ending = self._tell

    def may_read(self) -> bool:
        """Tell whether more may be read: no request is being answered, and memory is left."""
        return not self._is_serving and super().may_read() and self._memory.has_room(self)

    def run_reactor(self) -> None:
        """Serve the association; see `Association`. Data sets that were not kept are deleted."""
        super().run_reactor()
        self.dimse.discard()

    def _serve_request(self, msg: Any, context_id: int) -> None:
        if kind := _not_served(msg):
            name = type(msg).__name__.replace("_", "-")
            self.abort_because(f"the peer sent a {name} {kind} that is not served")
            return
        self._is_serving = True
        try:
            super()._serve_request(msg, context_id)
        finally:
            self._is_serving = False
            self.dul.wake()

    def _tell(self, ending: Ending) -> None:
        """Report how the connection ended, unless it was a mere probe."""
        if ending.by_peer and ending.silent:
            return
        is_rejected = not (ending.by_peer or ending.associated)
        event = Event.ASSOCIATION_REJECTED if is_rejected else Event.ASSOCIATION_ABORTED
        self._refusals.tell(event, ending.cause, peer_fields(self))


class ArrivingMessages(Messages):
    """Messages whose data sets go into the spool as they come, and count against the bytes under way."""

    def __init__(self, assoc: Acceptor, c_store: CStore, memory: Memory) -> None:
        super().__init__(assoc)
        self._c_store = c_store
        self._memory = memory
        self._begun: list[ArrivingDataSet] = []

    def take(self, context_id: int, control: int, fragment: memoryview) -> None:
        """Take the next fragment of a message."""
        self._memory.hold(self.assoc, len(fragment))
        super().take(context_id, control, fragment)

    def forget(self) -> None:
        """Drop an unfinished message."""
        if self.message is not None:
            _discard(self.message.data_set)
        super().forget()

    def discard(self) -> None:
        """Delete the data sets that were not kept: their association has ended."""
        for data_set in self._begun:
            data_set.discard()

    def _expect_data_set(self, message: DIMSEMessage) -> None:
        if isinstance(message, C_STORE_RQ):
            message.data_set = data_set = self._c_store.begin(self.assoc, message)
            self._begun = [*(each for each in self._begun if not each.has_ended), data_set]

    def _deliver(self, message: DIMSEMessage) -> None:
        if is_refused(self.assoc, message):
            _discard(message.data_set)
        else:
            super()._deliver(message)


def _not_served(msg: Any) -> str:
    """Return what kind of message cannot be served, empty of others: pynetdicom asks the SOP class alone."""
    if not isinstance(msg, _SERVED):
        return "message"
    if not msg.is_valid_request:
        return "request without what it needs"
    served = _SOP_CLASSES.get(type(msg), msg.AffectedSOPClassUID)
    return "" if msg.AffectedSOPClassUID == served else "request for another SOP class"


def _discard(data_set: object) -> None:
    if isinstance(data_set, ArrivingDataSet):
        data_set.discard()
