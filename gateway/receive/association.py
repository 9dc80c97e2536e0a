"""Admission of associations (PS3.8 9.3.4) by AE titles, addresses, free disk, and number.

Called by `storage_scp` for each A-ASSOCIATE-RQ. A rejection is reported once, and repetitions are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock
from typing import cast

from pynetdicom.association import Association as PynetdicomAssociation
from pynetdicom.events import Event as PynetdicomEvent
from pynetdicom.pdu_primitives import A_ABORT, A_ASSOCIATE, A_P_ABORT, A_RELEASE

from gateway.receive.all_hosts import PlacesOfAllHosts
from gateway.receive.capacity import Capacity
from gateway.receive.connections import Connections
from gateway.receive.hosts import Hosts, plain
from gateway.receive.places import Full, Places
from gateway.receive.refusals import RefusalReporter
from gateway.settings import SCP, Peer
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event
from gateway.upper_layer.association import Association
from gateway.upper_layer.decoding import APPLICATION_CONTEXT, Titles, is_title

ACCEPTED = 0  # PS3.8 Table 7-1
_SERVICE_USER, _TITLES = 1, (3, 7)  # source and reasons that name a node (PS3.8 Table 9-21)


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result, source and reason of PS3.8 Table 9-21, and the cause in words."""

    result: int
    source: int
    diagnostic: int
    why: str

    @property
    def is_audited(self) -> bool:
        """Tell whether the audit trail records the rejection: the node's AE title was not accepted."""
        return self.source == _SERVICE_USER and self.diagnostic in _TITLES


NOT_DICOM = Rejection(1, 1, 2, "the application context is not DICOM's")
CALLED_NOT_RECOGNISED = Rejection(1, 1, 7, "the called AE title is not the gateway's")
CALLING_NOT_RECOGNISED = Rejection(1, 1, 3, "the calling AE title and address are not among scp.peers")
CALLING_NO_TITLE = Rejection(1, 1, 3, "the calling AE title holds characters that PS3.5 does not allow")
CALLING_EMPTY = Rejection(1, 1, 3, "the calling AE title is empty")
CALLED_EMPTY = Rejection(1, 1, 7, "the called AE title is empty")
HOST_NOT_RESOLVED = Rejection(2, 3, 1, "scp.peers: a host cannot be resolved now")
DISK_FULL = Rejection(2, 3, 1, "less disk is free than scp.reject_below_disk_mb")
LIMIT_EXCEEDED = Rejection(2, 3, 2, "as many associations as scp.max_associations are open")
PEER_LIMIT_EXCEEDED = Rejection(
    2, 3, 2, "as many associations as scp.max_associations_per_peer are open from this address"
)
GONE = Rejection(2, 3, 1, "the connection has been closed")  # its end is reported where it was found
TEMPORARY_CONGESTION = Rejection(2, 3, 1, "the gateway failed to decide; the traceback is in the log")

_REJECTIONS = {Full.IN_ALL: LIMIT_EXCEEDED, Full.FROM_ADDRESS: PEER_LIMIT_EXCEEDED}


class Admission:
    """Accepts or rejects association requests, and keeps the place of each association until its end."""

    def __init__(
        self,
        settings: SCP,
        capacity: Capacity,
        connections: Connections,
        places: Places | PlacesOfAllHosts,
        hosts: Hosts,
        refusals: RefusalReporter,
    ) -> None:
        self._settings = settings
        self._capacity = capacity
        self._connections = connections
        self._places = places
        self._hosts = hosts
        self._refusals = refusals
        self._taken: dict[PynetdicomAssociation, int] = {}
        self._lock = Lock()

    def decide(self, event: PynetdicomEvent) -> None:
        """Reject a request that is not admitted; an admitted one goes on to its presentation contexts."""
        assoc = cast(Association, event.assoc)
        try:
            rejection = self._rejection(assoc)
        except Exception:
            log_bug(Event.FAILED, **peer_fields(assoc))
            rejection = TEMPORARY_CONGESTION
        if rejection is not None:
            if rejection is not GONE:
                self._refusals.tell(
                    Event.ASSOCIATION_REJECTED,
                    rejection.why,
                    peer_fields(assoc),
                    audited=rejection.is_audited,
                )
            assoc.acse.send_reject(rejection.result, rejection.source, rejection.diagnostic)
            assoc.kill()

    def _rejection(self, assoc: Association) -> Rejection | None:
        if assoc.dul.application_context not in (None, APPLICATION_CONTEXT):
            return NOT_DICOM
        titles = assoc.dul.titles or Titles("", "")
        if titles.called != self._settings.ae_title:
            return CALLED_NOT_RECOGNISED if titles.called else CALLED_EMPTY
        if not is_title(titles.calling):
            return CALLING_NO_TITLE if titles.calling else CALLING_EMPTY
        address = plain(assoc.requestor.address)
        unknown = why_unknown(self._settings.peers, self._hosts, titles.calling, address)
        if unknown is not None:
            return unknown
        if self._capacity.is_exhausted():
            return DISK_FULL
        return self._admit(assoc)

    def _admit(self, assoc: Association) -> Rejection | None:
        connection = self._connections.of(assoc.dul.transport.socket)
        if connection is None:  # closed to make room for another
            return GONE
        place = self._places.take(connection.address)
        if isinstance(place, Full):
            return _REJECTIONS[place]
        with self._lock:
            if not connection.is_open:
                self._places.free(place)
                return GONE
            self._taken[assoc] = place
            connection.is_admitted = True
            return None

    def is_next(self) -> bool:
        """Tell whether this receiver should take the next connection: no other has fewer associations."""
        return self._places.is_least(self._connections.count())

    def release(self, event: PynetdicomEvent) -> None:
        """Free the association's place, if it has one: the connection has been closed."""
        with self._lock:
            place = self._taken.pop(event.assoc, None)
            if place is not None:
                self._places.free(place)

    def release_before_the_end(self, event: PynetdicomEvent) -> None:
        """Free the place before the peer is told of the end, as it may associate again at once."""
        if isinstance(event.primitive, (A_RELEASE, A_ABORT, A_P_ABORT)):  # type: ignore[attr-defined]
            self.release(event)


def why_unknown(
    peers: tuple[Peer, ...], hosts: Hosts, calling_ae_title: str, address: str
) -> Rejection | None:
    """Return the rejection of a sender that no entry of `scp.peers` names by title *and* address, else None.

    Without any peers every sender is known.
    """
    named = dict.fromkeys(peer.host for peer in peers if peer.ae_title == calling_ae_title)
    found = {host: hosts.addresses(host) for host in named}
    if not peers or any(address in (addresses or ()) for addresses in found.values()):
        return None
    for host, addresses in found.items():
        if addresses is None:
            return replace(HOST_NOT_RESOLVED, why=f"scp.peers: the host {host} cannot be resolved now")
    return CALLING_NOT_RECOGNISED


def peer_fields(assoc: PynetdicomAssociation) -> dict[str, str]:
    """Return the peer's address and, if known, AE titles under the names of log and ledger."""
    titles = cast(Association, assoc).dul.titles
    known = {"calling_ae_title": titles.calling, "called_ae_title": titles.called} if titles else {}
    return known | {"peer_address": assoc.requestor.address}


def log_opened(event: PynetdicomEvent) -> None:
    """Log an accepted association before its A-ASSOCIATE-AC leaves; called for each primitive of ACSE."""
    primitive = event.primitive  # type: ignore[attr-defined] # set for this event
    if isinstance(primitive, A_ASSOCIATE) and primitive.result == ACCEPTED:
        log_event(Event.ASSOCIATION_OPENED, **peer_fields(event.assoc))
