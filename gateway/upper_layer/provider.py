"""The upper layer's service provider: reads PDUs, drives the state machine (PS3.8 9.2), records the end.

`association` creates one provider, with one thread, for each connection. The end of the thread, by whatever
cause, ends the connection. Every end other than a release has exactly one `Ending`.

Private names of pynetdicom used here: `DULServiceProvider._is_transport_event`, `_process_recv_primitive`,
`_read_pdu_data`, `_kill_thread`, `_recv_pdu`, `_send`, `Association._dul_ready`,
`AssociationSocket._shutdown_socket`, `Timer._start_time`, `_end_time`, and the actions' names in
`fsm.TRANSITION_TABLE`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Queue
from ssl import SSLError
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.dul import DULServiceProvider
from pynetdicom.fsm import TRANSITION_TABLE, StateMachine
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT, A_RELEASE
from pynetdicom.timer import Timer

from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug
from gateway.tls import problem_of
from gateway.upper_layer import decoding
from gateway.upper_layer.decoding import Titles
from gateway.upper_layer.endings import UNEXPECTED_PDU, Ending, Malformed, abort_cause
from gateway.upper_layer.messages import REST_SECONDS, Messages
from gateway.upper_layer.transport import P_DATA_TF, PDUSocket

if TYPE_CHECKING:
    from gateway.upper_layer.association import Association

MAX_PDUS_AT_ONCE = 64
"""Limit on PDUs read in one go, before the connection's other events are handled."""

LAST_WORDS_SECONDS = 1.0
"""Time for sending an A-ABORT."""

LINGER_SECONDS = 0.1
"""Silence after which the gateway closes a connection that is the peer's to close: some peers, pynetdicom
among them, take a rejection and a close that arrive together for an abort."""

MAX_DISCARDED_BYTES = 1024 * 1024
"""Limit on bytes accepted and discarded after the association is over."""

_BEFORE_ASSOCIATION = ("Sta1", "Sta2", "Sta3", "Sta4", "Sta5")
_PROVIDER_ABORTS = ("AA-1", "AA-7", "AA-8")
_RELEASED = "AR-4"
_EVENTS = {1: "Evt6", 2: "Evt3", 3: "Evt4", 4: "Evt10", 5: "Evt12", 6: "Evt13", 7: "Evt16"}
_PDU_NAMES = {
    "Evt3": "an A-ASSOCIATE-AC",
    "Evt4": "an A-ASSOCIATE-RJ",
    "Evt6": "an A-ASSOCIATE-RQ",
    "Evt10": "data",
    "Evt12": "an A-RELEASE-RQ",
    "Evt13": "an A-RELEASE-RP",
}
_LOCAL_EVENTS = ("Evt1", "Evt7", "Evt8", "Evt9", "Evt11", "Evt14", "Evt15")


class MonotonicTimer(Timer):
    """A timer that is independent of changes of the system clock."""

    def start(self) -> None:
        """Start the timer anew."""
        self._start_time, self._end_time = time.monotonic(), None

    def stop(self) -> None:
        """Stop the timer."""
        self._end_time = time.monotonic()

    @property
    def remaining(self) -> float:
        """The remaining seconds, negative after expiry."""
        if self.timeout is None or self._start_time is None:
            return self.timeout or 1.0
        return self.timeout - ((self._end_time or time.monotonic()) - self._start_time)

    @property
    def seconds_to_expiry(self) -> float | None:
        """The seconds to wait for its expiry; None where the timer does not run."""
        if self.timeout is None or self._start_time is None or self._end_time is not None:
            return None
        return max(0.0, self.remaining)


class Primitives(Queue[Any]):
    """A queue of primitives that tells of each one that is put in."""

    def __init__(self, on_put: Callable[[], None]) -> None:
        super().__init__()
        self._on_put = on_put

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put a primitive in, and tell."""
        super().put(item, block, timeout)
        self._on_put()


@dataclass(frozen=True, slots=True)
class ReceivedPDU:
    """A received PDU in the form that pynetdicom's state machine expects."""

    primitive: Any
    protocol_version: int = 1

    def to_primitive(self) -> Any:
        return self.primitive


class Provider(DULServiceProvider):
    """The service provider of one connection.

    Attributes
    ----------
    ending
        End of the connection; None while it lives, and after a release.
    titles
        AE titles of the peer's A-ASSOCIATE PDU; None before it arrives.
    on_ending
        Called once with the ending, in the thread that detected it.
    """

    def __init__(self, assoc: Association) -> None:
        super().__init__(assoc)
        self.state_machine: Protocol = Protocol(self)
        self.artim_timer: MonotonicTimer = MonotonicTimer(None)
        self.to_provider_queue = Primitives(self.wake)
        self.to_user_queue = Primitives(lambda: assoc.dimse.wake())
        self.ending: Ending | None = None
        self.titles: Titles | None = None
        self.on_ending: Callable[[Ending], None] | None = None
        self.is_over = False
        self._abort_reason = UNEXPECTED_PDU
        self._heard = time.monotonic()
        self._end_lock = Lock()

    @property
    def transport(self) -> PDUSocket:
        """The connection."""
        return cast(PDUSocket, self.socket)

    def wake(self) -> None:
        """Let the connection's thread look for primitives to send, for its end, and for room to read."""
        if self.socket is not None:
            self.transport.bell.ring()

    def end(self, cause: str, *, by_peer: bool = False) -> None:
        """Record the cause of the end; later causes, and causes after a release, are ignored."""
        state = self.state_machine.current_state
        with self._end_lock:
            if self.is_over:
                return
            self.is_over = True
            self.ending = Ending(
                cause, by_peer, state not in _BEFORE_ASSOCIATION, not self.transport.has_read
            )
        if self.on_ending is not None:
            self.on_ending(self.ending)

    def close(self) -> None:
        """Record a regular end: a release, or a rejection that is logged elsewhere."""
        with self._end_lock:
            self.is_over = True

    def idle_timer_expired(self) -> bool:
        """Tell whether the peer has been silent for too long, within a message or between messages."""
        allowed = self._allowed_silence
        if allowed is None or time.monotonic() - self._heard <= allowed:
            return False
        within = cast(Messages, self.assoc.dimse).is_within_message
        self.end(f"the peer was silent for {allowed:g} s" + (" within a message" if within else ""))
        return True

    def seconds_to_silence(self) -> float | None:
        """Return the seconds after which the peer may have been silent for too long; None: no limit."""
        if self.is_over:
            return REST_SECONDS  # nothing tells of the end of this thread
        allowed = self._allowed_silence
        return None if allowed is None else max(0.001, self._heard + allowed - time.monotonic())

    @property
    def _allowed_silence(self) -> float | None:
        assoc = cast("Association", self.assoc)
        return assoc.message_timeout if assoc.dimse.is_within_message else assoc.network_timeout

    def restart_idle_timer(self) -> None:
        """Restart the measurement of the silence."""
        self._heard = time.monotonic()

    def run_reactor(self) -> None:
        """Run until the connection has ended, and release it."""
        try:
            self.transport.bell.open()
            self.assoc._dul_ready.set()
            while not self._kill_thread:
                self._step()
        except Exception as error:
            log_bug(Event.BUG, error=repr(error))
            self.end(f"a bug in the gateway ({error!r})")
        finally:
            self._release_connection()

    def _step(self) -> None:
        """Take the next event and perform its action; wait where there is none."""
        if self.artim_timer.expired:
            self.event_queue.put("Evt18")
        elif not self._process_recv_primitive():
            self._is_transport_event()
        with suppress(Empty):
            self.state_machine.do_action(self.event_queue.get(block=False))

    def kill_dul(self) -> None:
        """End the connection's thread."""
        super().kill_dul()
        self.wake()

    def stop_dul(self) -> bool:
        """End the connection's thread where no connection stands; return whether it has ended."""
        if self.state_machine.current_state == "Sta1":
            self.kill_dul()
        return super().stop_dul()

    def finish(self) -> None:
        """End the thread and the connection; a pending A-ABORT gets `LAST_WORDS_SECONDS`."""
        if self.is_alive():
            self.join(LAST_WORDS_SECONDS)
            self.kill_dul()

    def _release_connection(self) -> None:
        """Close the connection after the end of its thread, and wake the waiting threads."""
        self.end("a bug in the gateway (the connection's thread ended)")
        was_open = self.state_machine.current_state != "Sta1"
        self.state_machine.current_state = "Sta1"
        self.transport._shutdown_socket()
        assoc = self.assoc
        cast(Messages, assoc.dimse).forget()
        self.transport.bell.close()
        if was_open:
            evt.trigger(assoc, evt.EVT_CONN_CLOSE, {"address": self.peer_address})
        cast(Messages, assoc.dimse).wake()
        if assoc.is_acceptor and assoc.requestor.primitive is None:
            cast(Any, self.to_user_queue).put(None)  # as if it had timed out
        elif was_open:
            self.to_user_queue.put(_provider_abort(0))

    @property
    def late_cause(self) -> str:
        """The cause where no association request came in time."""
        return f"the peer did not request an association within {round(self.artim_timer.timeout or 0, 1):g} s"

    @property
    def peer_address(self) -> tuple[str, int]:
        """The address and port of the peer."""
        remote = self.assoc.requestor.address_info
        return remote.as_tuple[:2] if remote else ("", 0)

    def _send(self, pdu: Any) -> None:
        super()._send(pdu)
        self.restart_idle_timer()

    def _is_transport_event(self) -> bool:
        """Read available PDUs; return whether there was work."""
        if not self.event_queue.empty():
            return False  # the state may change first
        if self.state_machine.current_state == "Sta13":
            return self._discard()
        if not self._may_read():
            self.restart_idle_timer()  # the gateway pauses, not the peer
            cast(Messages, self.assoc.dimse).restart_clock()
            self.transport.bell.wait(None, REST_SECONDS)
            return False
        if not self.transport.wait(self.artim_timer.seconds_to_expiry):
            return False
        self._read_pdu_data()
        return True

    def _may_read(self) -> bool:
        """Tell whether more data may be read: a peer that does not wait for answers is slowed down here."""
        return not self.assoc.is_established or cast("Association", self.assoc).may_read()

    def _discard(self) -> bool:
        """Discard data after the end; close once the peer has closed or is silent (PS3.8 9.2.3, Sta13)."""
        self.transport.wait(LINGER_SECONDS)
        count = self.transport.discard(MAX_DISCARDED_BYTES) if self._discarded < MAX_DISCARDED_BYTES else 0
        self._discarded += count
        if not count:
            self.transport.close()
        return True

    _discarded = 0

    def _read_pdu_data(self) -> None:
        """Read available PDUs, and queue the event of each."""
        try:
            for _ in range(MAX_PDUS_AT_ONCE):
                goes_on = self._read_one()
                self.restart_idle_timer()
                if not (goes_on and self.transport.has_buffered and self._may_read()):
                    return
        except Malformed as fault:
            self._abort_reason = fault.reason
            self.end(str(fault))
            self.event_queue.put("Evt19")
        except OSError as error:
            self.end(self._read_cause(error), by_peer=not isinstance(error, TimeoutError))
            self.event_queue.put("Evt17")

    def _read_one(self) -> bool:
        """Read one PDU; return whether the next may be read at once."""
        state = self.state_machine.current_state
        received = self.transport.read_pdu()
        if received is None:
            self.end(self._closed_cause(state), by_peer=True)
            self.event_queue.put("Evt17")
            return False
        kind, body = received
        if kind == P_DATA_TF and state == "Sta6":
            self._take_data(body)
            return True
        pdu = self._decoded(kind, body)
        if pdu is not None:
            self._recv_pdu.put(cast(Any, pdu))
        self.event_queue.put(_EVENTS[kind])
        return False

    def _take_data(self, body: memoryview) -> None:
        """Process the presentation data values of a P-DATA-TF (PS3.8 9.3.5)."""
        messages = cast(Messages, self.assoc.dimse)
        if not body:
            raise Malformed("the peer sent a P-DATA-TF without a presentation data value")
        offset = 0
        while offset < len(body):
            if len(body) - offset < 6:
                raise Malformed("the peer sent a P-DATA-TF that ends within a presentation data value")
            length, context_id, control = struct.unpack_from(">IBB", body, offset)
            end = offset + 4 + length
            if length < 2 or end > len(body):
                raise Malformed(f"the peer sent a presentation data value that claims {length} bytes")
            messages.take(context_id, control, body[offset + 6 : end])
            offset = end
        messages.check_pace()
        if not self.transport.has_buffered:
            messages.caught_up()

    def _decoded(self, kind: int, body: memoryview) -> ReceivedPDU | None:
        if kind == 1:
            self.titles = decoding.titles_of(body)
            version = decoding.protocol_version_of(body)
            if not version & 1:
                self.end(f"the peer proposes protocol version 0x{version:04X}, not version 1")
            return ReceivedPDU(decoding.request_of(body), 1 if version & 1 else version)
        if kind in (5, 6):
            release = A_RELEASE()
            release.result = None if kind == 5 else "affirmative"
            return ReceivedPDU(release)
        if kind == 7:
            source, reason = (body[2], body[3]) if len(body) >= 4 else (0, 0)
            self.end(abort_cause(source, reason), by_peer=True)
            return ReceivedPDU(_provider_abort(0) if source else _user_abort())
        return None

    def _closed_cause(self, state: str) -> str:
        if cast(Messages, self.assoc.dimse).is_within_message:
            return "the peer closed the connection within a message"
        if state in _BEFORE_ASSOCIATION:
            return "the peer closed the connection without associating"
        return "the peer closed the connection without releasing the association"

    def _read_cause(self, error: OSError) -> str:
        if isinstance(error, TimeoutError) and self.state_machine.current_state == "Sta2":
            return self.late_cause
        if isinstance(error, TimeoutError):
            return f"the peer began a PDU and did not end it within {self.transport.patience:g} s"
        if isinstance(error, SSLError):
            return problem_of(error)
        return str(error) if error.errno is None else f"the connection broke ({error.strerror})"


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
            place = "before" if self.current_state in _BEFORE_ASSOCIATION else "within"
            self.dul.end(f"the peer sent {_PDU_NAMES[event]} {place} an association")

    def _abort(self) -> None:
        """Send A-ABORT as the service provider, with a reason (PS3.8 9.2.2, AA-8, and Table 9-26)."""
        dul, before = self.dul, self.current_state
        pdu = A_ABORT_RQ()
        pdu.source, pdu.reason_diagnostic = 2, dul._abort_reason
        dul._send(pdu)
        if before not in ("Sta2", "Sta13"):
            dul.to_user_queue.put(_provider_abort(dul._abort_reason))
        dul.artim_timer.start()
        self.current_state = "Sta13"


def _user_abort() -> A_ABORT:
    primitive = A_ABORT()
    primitive.abort_source = 0
    return primitive


def _provider_abort(reason: int) -> A_P_ABORT:
    primitive = A_P_ABORT()
    primitive.provider_reason = reason
    return primitive
