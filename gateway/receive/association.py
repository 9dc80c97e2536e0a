"""Who may associate (PS3.8 9.3.4): titles, addresses, and how many at once."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from threading import Lock
from typing import cast

from pynetdicom.association import Association
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE

from gateway.audit import trail
from gateway.log import log_bug, log_event
from gateway.receive.capacity import Capacity
from gateway.settings import SCP, Peer


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ: result, source and reason of PS3.8 Table 9-21, and why in words."""

    result: int
    source: int
    diagnostic: int
    why: str


CALLED_NOT_RECOGNISED = Rejection(1, 1, 7, "the called AE title is not the gateway's")
CALLING_NOT_RECOGNISED = Rejection(1, 1, 3, "the calling AE title and address are not among scp.peers")
DISK_FULL = Rejection(2, 3, 1, "less disk is free than scp.reject_below_disk_mb")
LIMIT_EXCEEDED = Rejection(2, 3, 2, "as many associations as scp.max_associations are open")
PEER_LIMIT_EXCEEDED = Rejection(
    2, 3, 2, "as many associations as scp.max_associations_per_peer are open from this address"
)
TEMPORARY_CONGESTION = Rejection(2, 3, 1, "the gateway failed to decide; the traceback is in the log")


class Admission:
    """Accepts or rejects association requests."""

    def __init__(self, settings: SCP, capacity: Capacity) -> None:
        self._settings = settings
        self._capacity = capacity
        self._admitted: set[Association] = set()
        self._lock = Lock()

    def decide(self, event: Event) -> None:
        """Reject what may not associate; everything else goes on to the presentation contexts."""
        try:
            rejection = self._rejection(event.assoc)
        except Exception:
            log_bug("failed", **who(event.assoc))
            rejection = TEMPORARY_CONGESTION
        if rejection is not None:
            self._tell(rejection, event.assoc)
            event.assoc.acse.send_reject(rejection.result, rejection.source, rejection.diagnostic)
            event.assoc.kill()

    def _tell(self, rejection: Rejection, assoc: Association) -> None:
        titles = who(assoc)
        log_event("association_rejected", why=rejection.why, **titles)
        if rejection in (CALLED_NOT_RECOGNISED, CALLING_NOT_RECOGNISED):
            peer, address = titles["calling_ae_title"], titles["peer_address"]
            trail.rejected(peer=peer, peer_address=address, why=rejection.why)

    def _rejection(self, assoc: Association) -> Rejection | None:
        titles = who(assoc)
        if titles["called_ae_title"] != self._settings.ae_title:
            return CALLED_NOT_RECOGNISED
        if not is_known(self._settings.peers, titles["calling_ae_title"], titles["peer_address"]):
            return CALLING_NOT_RECOGNISED
        if self._capacity.is_exhausted():
            return DISK_FULL
        return self._admit(assoc)

    def _admit(self, assoc: Association) -> Rejection | None:
        with self._lock:
            self._admitted = {each for each in self._admitted if _is_open(each)}
            if len(self._admitted) >= self._settings.max_associations:
                return LIMIT_EXCEEDED
            from_there = [each for each in self._admitted if _address(each) == _address(assoc)]
            if len(from_there) >= self._settings.max_associations_per_peer:
                return PEER_LIMIT_EXCEEDED
            self._admitted.add(assoc)
            return None


def who(assoc: Association) -> dict[str, str]:
    """Return the two AE titles and the peer's address, as the log and the ledger name them."""
    request = cast(A_ASSOCIATE, assoc.requestor.primitive)
    return {
        "calling_ae_title": request.calling_ae_title.strip(),
        "called_ae_title": request.called_ae_title.strip(),
        "peer_address": assoc.requestor.address,
    }


def is_known(peers: tuple[Peer, ...], calling_ae_title: str, address: str) -> bool:
    """Tell whether a peer has this title *and* this address; without any peers everybody is known."""
    hosts = [peer.host for peer in peers if peer.ae_title == calling_ae_title]
    return not peers or any(_plain(address) in _addresses(host) for host in hosts)


def log_opened(event: Event) -> None:
    """Log an accepted association."""
    log_event("association_opened", **who(event.assoc))


def _is_open(assoc: Association) -> bool:
    return assoc.is_alive() and not (assoc.is_released or assoc.is_aborted)


def _address(assoc: Association) -> str:
    return _plain(assoc.requestor.address)


def _addresses(host: str) -> set[str]:
    """Return the addresses of `host` now: a name may move."""
    try:
        return {_plain(str(info[4][0])) for info in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _plain(address: str) -> str:
    """Return an IPv4 address that came through an IPv6 socket as IPv4."""
    parsed = ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return str(mapped or parsed)
