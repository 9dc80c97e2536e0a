"""The Storage SCP: listens on the port and connects pynetdicom's events to the services.

Started and stopped by the `receive` role. `stop` lets associations go on while they send,
and every request that is being served send its response.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from typing import cast

from pydicom.dataset import Dataset
from pynetdicom import _config, evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.events import Event

from gateway.receive import listener
from gateway.receive.association import Admission, log_opened
from gateway.receive.c_echo import answer_c_echo
from gateway.receive.c_store import CStore
from gateway.receive.connections import Connections
from gateway.receive.disk_waits import DiskWaits
from gateway.receive.hosts import Hosts
from gateway.receive.in_flight import InFlight
from gateway.receive.memory import Memory
from gateway.receive.presentation import contexts_for, offer
from gateway.receive.refusals import RefusalReporter
from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from gateway.settings import SCP
from gateway.threads import Vital
from gateway.tls import ReloadingContext
from gateway.upper_layer.association import Association

MAXIMUM_PDU_SIZE = 128 * 1024
ASSOCIATION_TIMEOUT_SECONDS = 15
"""Longest life of a connection without an association (ARTIM, PS3.8 9.1.5)."""

ACCEPTING_HANGS_SECONDS = 60.0
"""Seconds without a turn of the loop that accepts connections, after which its role starts again; it turns
five times a second."""

AnswerReport = Callable[[Event], tuple[int, None]]
"""Answers an N-EVENT-REPORT request with a status (PS3.7 10.1.1.1.8)."""

DRAIN_SILENCE_SECONDS = 2.0
"""Silence between two messages after which a receiver that stops aborts an association."""

_NO_LIMIT = 1_000_000
_POLL_SECONDS = 0.2
_DRAIN_POLL_SECONDS = 0.05


class StorageSCP:
    """The listening socket and everything that answers behind it; `processes.receiver` builds its parts.

    Parameters
    ----------
    settings
        Titles, address, limits.
    listen
        Returns the listening socket (`port.listen`).
    hosts, connections, admission, refusals
        The decision over each connection and association, and the record of those that are turned away.
    c_store, answer_report
        The services: Storage, and Storage Commitment reports (N-EVENT-REPORT).
    in_flight, memory, disk_waits
        The requests and bytes that are under way, and the images that wait for the disk.
    """

    def __init__(
        self,
        settings: SCP,
        *,
        listen: Callable[[], socket.socket],
        hosts: Hosts,
        connections: Connections,
        admission: Admission,
        refusals: RefusalReporter,
        c_store: CStore,
        answer_report: AnswerReport,
        in_flight: InFlight,
        memory: Memory,
        disk_waits: DiskWaits,
    ) -> None:
        self._settings = settings
        self._listen = listen
        self._hosts = hosts
        self._connections = connections
        self._admission = admission
        self._refusals = refusals
        self._c_store = c_store
        self._answer_report = answer_report
        self._in_flight = in_flight
        self._memory = memory
        self._disk_waits = disk_waits
        self._ae = _application_entity(settings)
        self._listener: listener.Listener | None = None

    @property
    def address(self) -> tuple[str, int]:
        """The address and port that are really bound; only between start and stop."""
        assert self._listener is not None  # noqa: S101 - asked before the start
        host, port, *_ = self._listener.server_address
        return str(host), int(port)

    def start(self) -> None:
        """Listen, without blocking; when this returns, peers can associate.

        Raises
        ------
        ConfigurationError
            When the address cannot be bound or the TLS files cannot be used.
        """
        _config.LOG_HANDLER_LEVEL = "none"  # else pynetdicom renders every PDU for its own debug log
        self._hosts.prepare()
        self._listener = self._bound()
        serve = partial(self._listener.serve_forever, _POLL_SECONDS)
        self._accepting = Vital(serve, "StorageSCP", ACCEPTING_HANGS_SECONDS)
        self._listener.note_turn = self._accepting.note_progress
        self._accepting.start()

    def stop(self, timeout_seconds: float = 30, *, silence_seconds: float = DRAIN_SILENCE_SECONDS) -> None:
        """Take no new connection; let associations that send, and requests that are served, finish; close.

        Parameters
        ----------
        timeout_seconds
            The longest that this may take.
        silence_seconds
            An association that is silent between two messages for so long is aborted; 0: every one that owes
            no response.
        """
        if self._listener is None:
            return
        deadline = monotonic() + timeout_seconds
        self._accepting.release()
        self._listener.shutdown()
        if silence_seconds:
            self._drain(deadline, silence_seconds)
        self._in_flight.wait_until_none(max(0.0, deadline - monotonic()))
        associations = self._ae.active_associations
        for assoc in associations:
            _close(cast(Association, assoc))
        for assoc in associations:
            if assoc.ident is not None:  # else it was made this moment, and finds its connection closed
                assoc.join(max(0.0, deadline - monotonic()))
        self._refusals.flush(everything=True)
        self._listener = None

    def _drain(self, deadline: float, silence_seconds: float) -> None:
        """Wait until associations have ended; abort those whose peers send nothing."""
        while monotonic() < deadline and (left := self._ae.active_associations):
            for each in left:
                assoc = cast(Association, each)
                if assoc.dul.silent_seconds > silence_seconds and not self._in_flight.owes(assoc):
                    _close(assoc)
            sleep(_DRAIN_POLL_SECONDS)

    def _bound(self) -> listener.Listener:
        tls = ReloadingContext(self._settings.tls, "scp.tls") if self._settings.tls else None
        bound = self._listen()
        server = self._ae.make_server(
            bound.getsockname(),
            evt_handlers=self._handlers(),
            server_class=listener.Listener,
            request_handler=listener.Handover,
            listening=bound,
        )
        listening = cast(listener.Listener, server)
        listening.c_store = self._c_store
        listening.memory, listening.tls = self._memory, tls
        listening.connections, listening.refusals = self._connections, self._refusals
        listening.disk_waits = self._disk_waits
        listening.is_next = self._admission.is_next
        listening.is_proxy = self._settings.is_proxy
        listening.message_timeout = _message_timeout(self._settings)
        return listening

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [
            (evt.EVT_REQUESTED, self._admission.decide),
            (evt.EVT_REQUESTED, offer),
            (evt.EVT_ACSE_SENT, log_opened),
            (evt.EVT_ACSE_SENT, self._admission.release_before_the_end),
            (evt.EVT_C_ECHO, answer_c_echo),
            (evt.EVT_C_STORE, self._answer_c_store),
            (evt.EVT_N_EVENT_REPORT, self._answer_report),
            (evt.EVT_PDU_SENT, self._in_flight.end),
            (evt.EVT_PDU_SENT, self._memory.release),
            (evt.EVT_CONN_CLOSE, self._admission.release),
            (evt.EVT_CONN_CLOSE, self._in_flight.end),
            (evt.EVT_CONN_CLOSE, self._memory.release),
        ]

    def _answer_c_store(self, event: Event) -> Dataset:
        self._in_flight.begin(event.assoc)
        return self._c_store.answer(event)


def _application_entity(settings: SCP) -> ApplicationEntity:
    ae = ApplicationEntity(settings.ae_title)
    ae.implementation_class_uid = IMPLEMENTATION_CLASS_UID
    ae.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    ae.supported_contexts = contexts_for(())  # the rest is offered to those who propose it
    ae.maximum_pdu_size = MAXIMUM_PDU_SIZE
    ae.maximum_associations = _NO_LIMIT  # Connections and Admission are stricter
    ae.network_timeout = settings.idle_timeout_seconds
    ae.dimse_timeout = _message_timeout(settings)
    ae.acse_timeout = min(ASSOCIATION_TIMEOUT_SECONDS, _message_timeout(settings))
    return ae


def _message_timeout(settings: SCP) -> float:
    """Return the longest silence within a message, which is never longer than between two."""
    return min(settings.message_timeout_seconds, settings.idle_timeout_seconds)


def _close(assoc: Association) -> None:
    if assoc.is_established:
        assoc.abort_because("the gateway stops")
    else:
        assoc.dul.close()
        assoc.dul.kill_dul()
