"""A scripted Storage SCP on loopback: takes, refuses, aborts."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import (
    Comprehensive3DSRStorage,
    DigitalXRayImageStorageForPresentation,
    SecondaryCaptureImageStorage,
    Verification,
)

SOP_CLASSES = (
    Comprehensive3DSRStorage,
    SecondaryCaptureImageStorage,
    DigitalXRayImageStorageForPresentation,
    Verification,
)


@dataclass
class StoragePeer:
    """What arrived, in order."""

    host: str
    port: int
    received: list[str] = field(default_factory=list)
    callers: list[str] = field(default_factory=list)
    associations: int = 0


@contextmanager
def storage_peer(
    answer: Callable[[str], int | None] = lambda _: 0x0000,
    sop_classes: tuple[str, ...] = SOP_CLASSES,
    transfer_syntax: str = ExplicitVRLittleEndian,
    ae_title: str = "PACS",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> Iterator[StoragePeer]:
    """Run a peer that answers each SOP Instance UID with a status; None aborts the association."""
    ae = AE(ae_title=ae_title)
    ae.require_called_aet = True
    for sop_class in sop_classes:
        ae.add_supported_context(sop_class, transfer_syntax)

    def on_store(event: Event) -> int:
        uid = str(event.request.AffectedSOPInstanceUID)
        status = answer(uid)
        if status is None:
            event.assoc.abort()
            return 0xC000
        if status == 0x0000:
            peer.received.append(uid)
        return status

    def on_accept(event: Event) -> None:
        peer.callers.append(event.assoc.requestor.ae_title)
        peer.associations += 1

    server = ae.start_server(
        ("127.0.0.1", port),
        block=False,
        ssl_context=tls,
        evt_handlers=[(evt.EVT_C_STORE, on_store), (evt.EVT_ACCEPTED, on_accept)],
    )
    peer = StoragePeer(*server.socket.getsockname()[:2])
    try:
        yield peer
    finally:
        server.shutdown()
