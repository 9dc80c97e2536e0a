"""The state machine of the upper layer (PS3.8 9.2) on pynetdicom's transitions. `provider` drives it.

An event without a transition is dropped. An exception ends its own association, never the gateway.

Private names of pynetdicom used here: the names of states, events and actions in `fsm.TRANSITION_TABLE`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from pynetdicom.fsm import TRANSITION_TABLE, StateMachine
from pynetdicom.pdu import A_ABORT_RQ

from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug
from gateway.upper_layer.messages import Messages
from gateway.upper_layer.primitives import provider_abort

if TYPE_CHECKING:
    from gateway.upper_layer.provider import Provider

BEFORE_ASSOCIATION = ("Sta1", "Sta2", "Sta3", "Sta4", "Sta5")
_PROVIDER_ABORTS = ("AA-1", "AA-7", "AA-8")
_RELEASED = "AR-4"
_PDU_NAMES = {
    "Evt3": "an A-ASSOCIATE-AC",
    "Evt4": "an A-ASSOCIATE-RJ",
    "Evt6": "an A-ASSOCIATE-RQ",
    "Evt10": "data",
    "Evt12": "an A-RELEASE-RQ",
    "Evt13": "an A-RELEASE-RP",
}
_LOCAL_EVENTS = ("Evt1", "Evt7", "Evt8", "Evt9", "Evt11", "Evt14", "Evt15")


class Protocol(StateMachine):
    """The upper layer's state machine; an unexpected event ends its own association only."""

    dul: Provider

    def do_action(self, event: str) -> None:
        """Perform the action of an event and enter the next state (PS3.8 Table 9-10)."""
        action = TRANSITION_TABLE.get((event, self.current_state))
        if action is None:
            self._drop(event)
            return
        if event in _LOCAL_EVENTS and self.dul.to_provider_queue.empty():
            return  # a duplicate: the action is done
        try:
            self._note(event, action)
            if action in _PROVIDER_ABORTS and event != "Evt15":
                self._abort()
            else:
                super().do_action(event)
        except Exception as error:
            log_bug(Event.BUG, error=repr(error))
            self.dul.end(f"a bug in the gateway ({error!r})")
            self.dul.kill_dul()

    def _drop(self, event: str) -> None:
        """Ignore late events: a local request after the end, a timer of an earlier state."""
        if event in _LOCAL_EVENTS:
            with suppress(Exception):
                self.dul.to_provider_queue.get(block=False)
        elif event == "Evt17" and self.current_state == "Sta1":
            self.dul.kill_dul()

    def _note(self, event: str, action: str) -> None:
        """Record the end that an event implies, where no cause is recorded yet."""
        within = cast(Messages, self.dul.assoc.dimse).is_within_message
        if event == "Evt12" and action == "AR-2" and within:
            self.dul.end("the peer released the association within a message", by_peer=True)
        elif event == "Evt7":
            self.dul.transport.lift_deadline()
        elif action == _RELEASED or event == "Evt8":
            self.dul.close()
        elif event == "Evt18" and self.current_state == "Sta2":
            self.dul.end(self.dul.late_cause)
        elif event == "Evt15":
            self.dul.end("the gateway aborted the association")
        elif action in _PROVIDER_ABORTS and event in _PDU_NAMES:
            place = "before" if self.current_state in BEFORE_ASSOCIATION else "within"
            self.dul.end(f"the peer sent {_PDU_NAMES[event]} {place} an association")

    def _abort(self) -> None:
        """Send A-ABORT as the service provider, with a reason (PS3.8 9.2.2, AA-8, and Table 9-26)."""
        dul, before = self.dul, self.current_state
        pdu = A_ABORT_RQ()
        pdu.source, pdu.reason_diagnostic = 2, dul.abort_reason
        dul._send(pdu)
        if before not in ("Sta2", "Sta13"):
            dul.to_user_queue.put(provider_abort(dul.abort_reason))
        dul.artim_timer.start()
        self.current_state = "Sta13"
