"""Results to a PACS by C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom.errors import InvalidDicomError
from pynetdicom.association import Association

from gateway.deliver.outcome import Outcome, Verdict
from gateway.deliver.storage_scu import Content, Unsupported, associate, content_of, node_of, store
from gateway.errors import Retry
from gateway.settings import DicomDestination
from gateway.store.entries import PendingDelivery


def deliver_by_c_store(
    destination: DicomDestination, pending: Sequence[PendingDelivery], calling_ae_title: str
) -> Iterator[Outcome]:
    """Send all objects over one association; what it does not reach is tried again later."""
    node = node_of(destination, calling_ae_title)
    contents, problems = _contents(pending)
    yield from problems
    if not contents:
        return
    left = [delivery for delivery in pending if delivery.id in contents]
    try:
        with associate(node, contents.values()) as assoc:
            goes_on = True
            while left and goes_on:
                outcome, goes_on = _send(assoc, left.pop(0))
                yield outcome
        verdict, error = Verdict.AWAY, f"{node}: the association ended early"
    except Retry as problem:
        verdict, error = Verdict.AWAY, str(problem)
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
            problems.append(Outcome(delivery, Verdict.LATER, _unreadable(delivery, error)))
        except (InvalidDicomError, AttributeError):
            problems.append(Outcome(delivery, Verdict.NEVER, f"{delivery.path}: no longer a DICOM file"))
    return contents, problems


def _unreadable(delivery: PendingDelivery, error: OSError) -> str:
    return f"{delivery.path}: {error.strerror or error}"


def _send(assoc: Association, delivery: PendingDelivery) -> tuple[Outcome, bool]:
    """Return what became of the object, and whether the association takes another one."""
    try:
        status, comment = store(assoc, delivery.path)
    except OSError as error:
        return Outcome(delivery, Verdict.LATER, _unreadable(delivery, error)), True
    except ValueError:
        told = f"no presentation context accepted for {delivery.kind.value.upper()}"
        return Outcome(delivery, Verdict.NEVER, told), True
    if status is None:
        return Outcome(delivery, Verdict.LATER, comment), False
    verdict = verdict_of(status)
    told = f"status 0x{status:04X} {comment}".rstrip()
    return Outcome(delivery, verdict, None if verdict is Verdict.DELIVERED else told), True


def verdict_of(status: int) -> Verdict:
    """Tell what a C-STORE status means (PS3.4 Table B.2-1, PS3.7 Annex C).

    Warnings (Bxxx) count as stored. Out of resources (A7xx) and anything that the tables do not name are
    tried again.
    """
    if status == 0x0000 or status >> 12 == 0xB:
        return Verdict.DELIVERED
    refused = status >> 8 == 0xA9 or status >> 12 == 0xC or status in _REFUSED_FOR_GOOD
    return Verdict.NEVER if refused else Verdict.LATER


_REFUSED_FOR_GOOD = {0x0117, 0x0122}  # invalid SOP instance, SOP class not supported (PS3.7 C.5.8, C.5.20)
