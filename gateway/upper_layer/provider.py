"""The upper layer's service provider: reads PDUs, drives the state machine (PS3.8 9.2), records the end.

`association` creates one provider, with one thread, for each connection. The end of the thread, by whatever
cause, ends the connection. Every end other than a release has exactly one `Ending`.

Private names of pynetdicom used here: `DULServiceProvider._is_transport_event`, `_process_recv_primitive`,
`_read_pdu_data`, `_kill_thread`, `_recv_pdu`, `_send`, `Association._dul_ready`,
`AssociationSocket._shutdown_socket`.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from ssl import SSLError
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu_primitives import A_RELEASE

from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug
from gateway.threads import bound_start
from gateway.tls import problem_of
from gateway.upper_layer import decoding
from gateway.upper_layer.decoding import Titles
from gateway.upper_layer.endings import UNEXPECTED_PDU, Ending, Malformed, abort_cause
from gateway.upper_layer.messages import REST_SECONDS, Messages
from gateway.upper_layer.primitives import Primitives, ReceivedPDU, provider_abort, user_abort
from gateway.upper_layer.protocol import BEFORE_ASSOCIATION, Protocol
from gateway.upper_layer.timer import MonotonicTimer
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

_EVENTS = {1: "Evt6", 2: "Evt3", 3: "Evt4", 4: "Evt10", 5: "Evt12", 6: "Evt13", 7: "Evt16"}


class Provider(DULServiceProvider):
    """The service provider of one connection.

    Attributes
    ----------
    ending
        End of the connection; None while it lives, and after a release.
    titles
        AE titles of the peer's A-ASSOCIATE PDU; None before it arrives.
    application_context
        Its application context's name; None where it has none.
    abort_reason
        Reason of an A-ABORT by the provider (PS3.8 Table 9-26).
    on_ending
        Called once with the ending, in the thread that detected it.
    """

    def __init__(self, assoc: Association) -> None:
        super().__init__(assoc)
        bound_start(self)
        self.state_machine: Protocol = Protocol(self)
        self.artim_timer: MonotonicTimer = MonotonicTimer(None)
        self.to_provider_queue = Primitives(self.wake)
        self.to_user_queue = Primitives(lambda: assoc.dimse.wake())
        self.ending: Ending | None = None
        self.titles: Titles | None = None
        self.application_context: str | None = None
        self.on_ending: Callable[[Ending], None] | None = None
        self.is_over = False
        self.abort_reason = UNEXPECTED_PDU
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
            self.ending = Ending(cause, by_peer, state not in BEFORE_ASSOCIATION, not self.transport.has_read)
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

    @property
    def silent_seconds(self) -> float:
        """Seconds since the last PDU in either direction; 0 within a message."""
        if cast(Messages, self.assoc.dimse).is_within_message:
            return 0.0
        return time.monotonic() - self._heard

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

    def start(self) -> None:
        """Start the connection's thread; where none can be started, the connection ends, and is told of."""
        try:
            super().start()
        except RuntimeError as error:
            self.end(f"no room for a connection: {error}")
            self.assoc._dul_ready.set()  # else the association would wait for the thread
            self._release_connection()

    def run_reactor(self) -> None:
        """Run until the connection has ended, and release it."""
        try:
            self._open_bell()
            self.assoc._dul_ready.set()
            while not self._kill_thread:
                self._step()
        except Exception as error:
            log_bug(Event.BUG, error=repr(error))
            self.end(f"a bug in the gateway ({error!r})")
        finally:
            self._release_connection()

    def _open_bell(self) -> None:
        """Open the bell; where the system has no descriptor left, this connection ends, and is told of."""
        try:
            self.transport.bell.open()
        except OSError as error:
            self.end(f"no room for a connection: {error.strerror}")
            self._kill_thread = True

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
            self.to_user_queue.put(provider_abort(0))

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
                if not (goes_on and self._may_read() and self._has_more()):
                    return
        except Malformed as fault:
            self.abort_reason = fault.reason
            self.end(str(fault))
            self.event_queue.put("Evt19")
        except OSError as error:
            self.end(self._read_cause(error), by_peer=not isinstance(error, TimeoutError))
            self.event_queue.put("Evt17")

    def _has_more(self) -> bool:
        """Tell whether more has come; within a message it mostly has, and reading costs less than asking."""
        within = cast(Messages, self.assoc.dimse).is_within_message
        return self.transport.has_buffered or (within and self.transport.read_on())

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
            self.application_context = decoding.application_context_of(body)
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
            return ReceivedPDU(provider_abort(0) if source else user_abort())
        return None

    def _closed_cause(self, state: str) -> str:
        if cast(Messages, self.assoc.dimse).is_within_message:
            return "the peer closed the connection within a message"
        if state in BEFORE_ASSOCIATION:
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
