"""The intake: the one place where a received instance becomes the gateway's responsibility.

Called by an adapter for each protocol (`c_store`, `stow`). An adapter wraps what came as an `Incoming`, calls
`Intake.keep`, and says the outcome in its protocol's words. Here no protocol is known.

Guarantee: when `keep` returns, the store has confirmed the bytes and the row is committed, so the sender may
forget the instance. When `keep` raises `Refuse`, nothing is promised; log, ledger and audit trail say why.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from gateway.dicom.statuses import Refuse, Status
from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.errors import Retry
from gateway.files.draft import Draft
from gateway.receive.capacity import Capacity
from gateway.receive.data_set import Header, Identity
from gateway.receive.incoming import Encoded, Incoming, Sender
from gateway.receive.part_10 import file_head
from gateway.receive.sop_classes import SOP_CLASSES
from gateway.records import Received
from gateway.store.clock import now
from gateway.store.entries import Arrival
from gateway.store.ledger import Ledger
from gateway.store.objects import Objects
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.message import Subject
from gateway.telemetry.audit.subject import subject_of_data_set
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_bug, log_event


@dataclass(frozen=True, slots=True)
class Kept:
    """An instance that may be acknowledged: its row, and whether its bytes are new, known or other ones."""

    received: Received
    arrival: Arrival


class Intake:
    """Keeps instances durably, and records each one and each refusal.

    Safe for any number of threads. The encoded bytes are kept as they came; no pixel is decoded.

    Parameters
    ----------
    capacity
        The limits on disk and queue.
    store, ledger
        Where bytes and rows go, both ready to be used.
    """

    def __init__(self, capacity: Capacity, store: Objects, ledger: Ledger) -> None:
        self._capacity = capacity
        self._store = store
        self._ledger = ledger

    def keep(self, incoming: Incoming) -> Kept:
        """Keep one instance; when this returns, the instance may be acknowledged.

        Raises
        ------
        Refuse
            With a status and a sentence for the sender. OUT_OF_RESOURCES means that the sender may try again;
            INTERNAL is a bug, whose traceback is in the log.
        """
        begun = perf_counter()
        try:
            with errors_refuse_for_now():
                encoded, header = examine(incoming)
                return self._keep(incoming.sender, encoded, header, begun)
        except Refuse as refusal:
            log_event(Event.REFUSED, status=str(refusal.status), reason=refusal.reason, **_about(incoming))
            _audit_refused(incoming, refusal.reason)
            raise
        except Exception as bug:
            log_bug(Event.REFUSED, status=str(Status.INTERNAL), reason="a bug", **_about(incoming))
            _audit_refused(incoming, "a bug in the gateway")
            raise Refuse(Status.INTERNAL, "internal error of the gateway") from bug

    def begin(self, sender: Sender, identity: Identity, transfer_syntax_uid: str) -> Draft:
        """Begin the file of an instance, to write its data set into; nothing is promised by that.

        Raises
        ------
        Refuse
            OUT_OF_RESOURCES, if disk, queue, store or ledger have no room now.
        """
        head = file_head(identity, transfer_syntax_uid, sender.calling_ae_title)
        with errors_refuse_for_now():
            self._capacity.check()
            return self._store.begin(head)

    def _keep(self, sender: Sender, encoded: Encoded, header: Header, begun: float) -> Kept:
        received, is_new = self._write(sender, encoded, header)
        audit = partial(
            trail.received,
            subject_of_data_set(header.dataset),
            calling_ae_title=sender.calling_ae_title,
            peer_address=sender.peer_address,
        )
        is_there = None if is_new else partial(self._store.has, received.path)
        arrival = self._ledger.record_received(received, perf_counter() - begun, audit, is_there)
        return Kept(received, arrival)

    def _write(self, sender: Sender, encoded: Encoded, header: Header) -> tuple[Received, bool]:
        """Keep the bytes; tell also whether nobody can have kept the same before."""
        draft = encoded.drafted(partial(self.begin, sender, header.identity, encoded.transfer_syntax_uid))
        path = self._store.finish(draft, f"{draft.sha256}.dcm")
        is_new = self._store.publish(path) and draft.is_first
        received = Received(
            sop_class_uid=header.sop_class_uid,
            sop_instance_uid=header.sop_instance_uid,
            study_instance_uid=header.study_instance_uid,
            series_instance_uid=header.series_instance_uid,
            transfer_syntax_uid=encoded.transfer_syntax_uid,
            sha256=draft.sha256,
            size_bytes=draft.size,
            path=path,
            received_at=now(),
            **sender.fields(),
        )
        return received, is_new


@contextmanager
def errors_refuse_for_now() -> Iterator[None]:
    """Turn an error of disk or ledger into `Refuse` with OUT_OF_RESOURCES: the sender may try again."""
    try:
        yield
    except Retry as retry:
        raise Refuse(Status.OUT_OF_RESOURCES, str(retry)) from retry
    except OSError as error:
        reason = f"the spool cannot be written: {error.strerror}"
        raise Refuse(Status.OUT_OF_RESOURCES, reason) from error


def examine(incoming: Incoming) -> tuple[Encoded, Header]:
    """Check an instance as `Intake.keep` does, without keeping it.

    Raises
    ------
    Refuse
        If the data set cannot be read whole, is of no accepted transfer syntax or SOP class, or differs from
        what the sender says of it.
    """
    encoded = incoming.encoded()
    if encoded.transfer_syntax_uid not in TRANSFER_SYNTAXES:
        reason = f"transfer syntax {encoded.transfer_syntax_uid[:64]} is not supported"
        raise Refuse(Status.TRANSFER_SYNTAX_NOT_SUPPORTED, reason)
    header = encoded.header()
    incoming.check(header)
    if header.sop_class_uid not in SOP_CLASSES:
        raise Refuse(Status.SOP_CLASS_NOT_SUPPORTED, "the SOP Class is not accepted")
    return encoded, header


def _about(incoming: Incoming) -> dict[str, str | None]:
    return {"sop_instance_uid": incoming.claimed.sop_instance_uid or None, **incoming.sender.fields()}


def _audit_refused(incoming: Incoming, reason: str) -> None:
    """Audit a refusal under the claimed identity: the data set may be the reason for the refusal."""
    claimed, sender = incoming.claimed, incoming.sender
    trail.refused(
        Subject("", claimed.sop_class_uid, (claimed.sop_instance_uid,)),
        calling_ae_title=sender.calling_ae_title,
        peer_address=sender.peer_address,
        reason=reason,
    )
