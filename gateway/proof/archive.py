"""The destination of the proof: a Storage SCP that accepts every result and records its arrival."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import cast

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.dimse_primitives import C_STORE
from pynetdicom.events import Event
from pynetdicom.presentation import StoragePresentationContexts
from pynetdicom.transport import ThreadedAssociationServer

from gateway.proof.reconcile import ArchivedObject

AE_TITLE = "ARCHIVE"


class Archive:
    """The recorded arrivals, in order; `port` is its port on loopback."""

    def __init__(self) -> None:
        self.arrivals: list[ArchivedObject] = []
        self.port = 0

    def answer_c_store(self, event: Event) -> int:
        """Record the object and answer 0x0000."""
        command = cast(C_STORE, event.request)
        content = cast(BytesIO, command.DataSet).getvalue()
        self.arrivals.append(
            ArchivedObject(
                sop_instance_uid=str(command.AffectedSOPInstanceUID),
                sop_class_uid=str(command.AffectedSOPClassUID),
                source=source_of(event.dataset),
                sha256=hashlib.sha256(content).hexdigest(),
            )
        )
        return 0x0000

    def complete(self) -> int:
        """Return the number of images with results of both kinds."""
        kinds: dict[str, set[str]] = defaultdict(set)
        for arrival in list(self.arrivals):
            kinds[arrival.source].add(arrival.sop_class_uid)
        return sum(len(each) == 2 for each in kinds.values())


@contextmanager
def listening_archive(host: str = "127.0.0.1", port: int = 0) -> Iterator[Archive]:
    """Run an archive within a block; port 0 is any free one."""
    archive = Archive()
    ae = ApplicationEntity(AE_TITLE)
    ae.supported_contexts = StoragePresentationContexts
    handlers: list[evt.EventHandlerType] = [(evt.EVT_C_STORE, archive.answer_c_store)]
    server = cast(ThreadedAssociationServer, ae.start_server((host, port), False, evt_handlers=handlers))
    archive.port = server.server_address[1]
    try:
        yield archive
    finally:
        server.shutdown()


def source_of(result: Dataset) -> str:
    """Return the SOP Instance UID of the source image of an SR or SC."""
    if "SourceImageSequence" in result:
        return str(result.SourceImageSequence[0].ReferencedSOPInstanceUID)
    (study,) = result.CurrentRequestedProcedureEvidenceSequence
    return str(study.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
