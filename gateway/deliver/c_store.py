"""Results to a PACS by C-STORE."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from pydicom.errors import InvalidDicomError

from gateway.deliver.association import Association, Ended, Interrupted
from gateway.deliver.outcome import Outcome, Verdict
from gateway.deliver.part_10 import Content, Unreadable, content_of
from gateway.deliver.storage_scu import NotNow, Unsupported, associate, node_of, store
from gateway.errors import Retry
from gateway.settings import DicomDestination
from gateway.store.entries import PendingDelivery


def deliver_by_c_store(
    destination: DicomDestination,
    pending: Sequence[PendingDelivery],
    calling_ae_title: str,
    stopping: threading.Event | None = None,
) -> Iterator[Outcome]:
    """Send all objects over one association; what it does not reach is tried again later.

    Once `stopping` is set, the object that is being sent has a few seconds left.
    """
    node = node_of(destination, calling_ae_title)
    contents, problems = _contents(pending)
    yield from problems
    if not contents:
        return
    left = [delivery for delivery in pending if delivery.id in contents]
    verdict, error = Verdict.AWAY, f"{node}: the association ended early"
    try:
        with associate(node, contents.values(), stopping=stopping) as assoc:
            while left and assoc.is_open:
                assoc.check()
                yield _send(assoc, left.pop(0))
    except Retry as problem:
        error = str(problem)
    except Unsupported as problem:
        verdict, error = Verdict.NEVER, str(problem)
    for delivery in left:
        yield Outcome(delivery, verdict, error)


def _contents(pending: Sequence[PendingDelivery]) -> tuple[dict[int, Content], list[Outcome]]:
    """Return what each file needs, by delivery, and the outcomes of those that cannot be read."""
    contents: dict[int, Content] = {}
    problems: list[Outcome] = []
    for delivery in pending:
        try:
            contents[delivery.id] = content_of(delivery.path)
        except OSError as error:
            problems.append(Outcome(delivery, Verdict.LATER, f"{delivery.path}: {error.strerror or error}"))
        except InvalidDicomError:
            problems.append(Outcome(delivery, Verdict.NEVER, f"{delivery.path}: no longer a DICOM file"))
    return contents, problems


def _send(assoc: Association, delivery: PendingDelivery) -> Outcome:
    """Return what became of the object; the association tells whether it takes another one."""
    try:
        answer = store(assoc, delivery.path)
    except Unsupported as problem:
        return Outcome(delivery, Verdict.NEVER, str(problem))
    except InvalidDicomError:
        return Outcome(delivery, Verdict.NEVER, f"{delivery.path}: no longer a DICOM file")
    except Interrupted as problem:
        return Outcome(delivery, Verdict.AWAY, str(problem), assoc.end_is_unknown)
    except Ended as problem:
        return Outcome(delivery, Verdict.LATER, str(problem), assoc.end_is_unknown)
    except (NotNow, Unreadable) as problem:
        return Outcome(delivery, Verdict.LATER, str(problem))
    verdict = verdict_of(answer.status)
    told = f"status 0x{answer.status:04X} {answer.comment}".rstrip()
    return Outcome(delivery, verdict, None if verdict is Verdict.DELIVERED else told)


def verdict_of(status: int) -> Verdict:
    """Tell what a C-STORE status means (PS3.4 Table B.2-1, PS3.7 Annex C).

    Warnings (Bxxx) count as stored. So does a duplicate SOP instance (PS3.7 C.5.6): a UID never names two
    objects (PS3.5 9), and ours are written once, so that the node has this one from an attempt whose answer
    was lost. Out of resources (A7xx) and anything that the tables do not name are tried again.
    """
    if status in (0x0000, DUPLICATE_SOP_INSTANCE) or status >> 12 == 0xB:
        return Verdict.DELIVERED
    refused = status >> 8 == 0xA9 or status >> 12 == 0xC or status in _REFUSED_FOR_GOOD
    return Verdict.NEVER if refused else Verdict.LATER


DUPLICATE_SOP_INSTANCE = 0x0111
_REFUSED_FOR_GOOD = {0x0117, 0x0122}  # invalid SOP instance, SOP class not supported (PS3.7 C.5.8, C.5.20)
