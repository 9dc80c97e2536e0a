"""Results to a PACS by C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pynetdicom.association import Association

from gateway.deliver.outcome import Outcome, Verdict
from gateway.deliver.storage_scu import DicomNode, Unsupported, associate, content_of, store
from gateway.errors import Retry
from gateway.settings import DicomDestination
from gateway.store.entries import PendingDelivery


def deliver_by_c_store(
    destination: DicomDestination, pending: Sequence[PendingDelivery], calling_ae_title: str
) -> Iterator[Outcome]:
    """Send all objects over one association; what it does not reach is tried again later."""
    node = DicomNode(
        destination.ae_title,
        destination.host,
        destination.port,
        calling_ae_title,
        destination.timeout_seconds,
    )
    left = list(pending)
    try:
        with associate(node, [content_of(delivery.path) for delivery in pending]) as assoc:
            while left and assoc.is_established:
                yield _send(assoc, left.pop(0))
        verdict, error = Verdict.LATER, f"{node}: the association ended early"
    except Retry as problem:
        verdict, error = Verdict.LATER, str(problem)
    except Unsupported as problem:
        verdict, error = Verdict.NEVER, str(problem)
    for delivery in left:
        yield Outcome(delivery, verdict, error)


def _send(assoc: Association, delivery: PendingDelivery) -> Outcome:
    try:
        status, comment = store(assoc, delivery.path)
    except ValueError:
        return Outcome(
            delivery, Verdict.NEVER, f"no presentation context accepted for {delivery.kind.value.upper()}"
        )
    verdict = verdict_of(status)
    if verdict is Verdict.DELIVERED:
        return Outcome(delivery, verdict)
    told = "no answer" if status is None else f"status 0x{status:04X} {comment}".rstrip()
    return Outcome(delivery, verdict, told)


def verdict_of(status: int | None) -> Verdict:
    """Tell what a C-STORE status means (PS3.4 Table B.2-1, PS3.7 Annex C).

    Warnings (Bxxx) count as stored. Out of resources (A7xx), a missing answer and anything that the
    tables do not name are tried again.
    """
    if status is None:
        return Verdict.LATER
    if status == 0x0000 or status >> 12 == 0xB:
        return Verdict.DELIVERED
    refused = status >> 8 == 0xA9 or status >> 12 == 0xC or status in _REFUSED_FOR_GOOD
    return Verdict.NEVER if refused else Verdict.LATER


_REFUSED_FOR_GOOD = {0x0117, 0x0122}  # invalid SOP instance, SOP class not supported (PS3.7 C.5.8, C.5.20)
