"""The DICOM listener's section of the settings, and the peers that may send to it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

from pydantic import Field, IPvAnyNetwork

from gateway.settings.section import TLS, AETitle, Host, Port, Section

ProcessCount = Annotated[str, Field(pattern=r"^(auto|[1-9]|[1-5]\d|6[0-4])$", coerce_numbers_to_str=True)]


class Peer(Section):
    """A DICOM node that may send: both its AE title and its address must match."""

    ae_title: AETitle
    """Calling AE title of the peer."""
    host: Host
    """Address or name of the peer."""


class SCP(Section):
    """The DICOM listener."""

    ae_title: AETitle = "CXR_GATEWAY"
    """AE title of the gateway, 1 to 16 characters; other called AE titles are rejected."""
    bind: Host = "127.0.0.1"
    """Address to listen on; any address but loopback needs `peers`."""
    port: Port = 11112
    """TCP port, 0 to 65535; 0 takes any free port."""
    processes: ProcessCount = "auto"
    """Receiving processes of `gateway serve`, 1 to 64, or auto: one for every four cores, at most 8. They
    share the port, and the limits hold over all of them."""
    max_associations: int = Field(50, ge=1, le=1000)
    """Associations at the same time, 1 to 1000; over all hosts where the database is PostgreSQL."""
    max_associations_per_peer: int = Field(20, ge=1, le=1000)
    """Associations at the same time from one address, 1 to 1000; over all hosts likewise."""
    peers: tuple[Peer, ...] = ()
    """Nodes that may send, as {ae_title: MODALITY1, host: 10.1.2.3}; empty: any node on loopback."""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks of load balancers. A connection from them must begin with a header of the PROXY
    protocol, version 2 (HAProxy: send-proxy-v2), whose source counts as the sender's address; from others
    such a header is refused. Needs `peers`."""
    health_port: Port | None = None
    """TCP port, 0 to 65535, on which the receivers answer GET /health/ready and /health/live by HTTP, on the
    address of `bind`, for load balancers; null: none."""
    drain_notice_seconds: float = Field(0, ge=0, le=300)
    """Seconds after SIGTERM during which /health/ready is 503 and connections are still taken, so that a load
    balancer turns to other hosts first; 0 without one."""
    tls: TLS | None = None
    """TLS for every association, as {certificate: FILE, key: FILE, ca: FILE}; null: none. `ca` demands
    certificates of senders."""
    idle_timeout_seconds: float = Field(300, gt=0)
    """Seconds of silence between two messages before the association is aborted; modalities hold an
    association for an examination."""
    message_timeout_seconds: float = Field(60, gt=0)
    """Seconds of silence within a message, and for one PDU as a whole, before the association is aborted."""
    min_free_disk_mb: int = Field(512, ge=0)
    """Free space for images in MB below which C-STORE is answered A700 (out of resources)."""
    reject_below_disk_mb: int = Field(128, ge=0)
    """Free space for images in MB below which associations are rejected."""
    max_queued_images: int = Field(10_000, ge=1)
    """Images without an answer beyond which C-STORE is answered A700."""
    max_memory_mb: int = Field(192, ge=1)
    """MB of images that are being received, written to data_dir as they come; beyond it the network waits."""

    def is_proxy(self, host: str) -> bool:
        """Tell whether an address is that of a trusted proxy; a name is none."""
        try:
            return any(ip_address(host) in network for network in self.trusted_proxies)
        except ValueError:
            return False
