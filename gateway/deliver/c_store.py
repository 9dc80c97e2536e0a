"""Results to a PACS by C-STORE, with storage commitment where the settings ask for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence

from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.sop_class import StorageCommitmentPushModel, Verification

from gateway.deliver.destination import AuditTarget, Destination
from gateway.deliver.outcome import Outcome, Verdict
from gateway.deliver.storage_commitment import request_commitment
from gateway.dicom.statuses import Status, is_success
from gateway.doctor.advice import advice_for
from gateway.doctor.finding import Finding, doubtful, good, wrong
from gateway.errors import ConfigurationError, Retry
from gateway.records import DICOM
from gateway.requestor.association import Association
from gateway.requestor.endings import Ended, Interrupted
from gateway.requestor.part_10 import Content, Unreadable, content_of
from gateway.requestor.storage_scu import NotNow, Unsupported, associate, context_for, node_of, store, verify
from gateway.settings import DicomDestination
from gateway.store.commitments import Commitments
from gateway.store.entries import PendingDelivery

_ENABLE_COMMITMENT = "there: enable Storage Commitment; here: storage_commitment: false"


class StorageSCU(Destination):
    """A PACS that takes DICOM results (PS3.4 Annex B)."""

    takes_again = True

    def __init__(self, destination: DicomDestination, calling_ae_title: str) -> None:
        self.name = destination.name
        self.timeout_seconds = destination.timeout_seconds
        self.commits = destination.storage_commitment
        self.commitment_timeout_seconds = destination.commitment_timeout_seconds
        self.certificate = destination.tls.certificate if destination.tls else None
        self._node = node_of(destination, calling_ae_title)

    def accepts(self, kind: str, media_type: str) -> bool:  # noqa: ARG002 - every DICOM kind
        """Take what is DICOM."""
        return media_type == DICOM

    def deliver(
        self, pending: Sequence[PendingDelivery], stopping: threading.Event | None = None
    ) -> Iterator[Outcome]:
        """Send all results over one association; a result that it does not reach is tried again later."""
        contents, problems = _contents(pending)
        yield from problems
        if not contents:
            return
        left = [delivery for delivery in pending if delivery.id in contents]
        verdict, error = Verdict.AWAY, f"{self._node}: the association ended early"
        try:
            with associate(self._node, contents.values(), stopping=stopping) as assoc:
                while left and assoc.is_open:
                    assoc.check()
                    yield _send(assoc, left.pop(0))
        except Retry as problem:
            error = str(problem)
        except Unsupported as problem:
            verdict, error = Verdict.NEVER, str(problem)
        for delivery in left:
            yield Outcome(delivery, verdict, error, is_left=len(left) < len(contents))

    def commit(
        self,
        stored: Sequence[PendingDelivery],
        transaction_uid: str,
        commitments: Commitments,
        stopping: threading.Event | None = None,
    ) -> None:
        """Send one N-ACTION for all results (PS3.4 Annex J)."""
        request_commitment(self._node, stored, transaction_uid, commitments, stopping)

    def examine(self, sop_classes: Mapping[str, str]) -> Iterator[Finding]:
        """Verify by C-ECHO, and see which SOP classes the node would take; nothing is stored."""
        wanted = dict(sop_classes)
        if self.commits:
            wanted[str(StorageCommitmentPushModel)] = _ENABLE_COMMITMENT
        try:
            with associate(self._node, [_explicit(uid) for uid in [Verification, *wanted]]) as assoc:
                yield self._echo(assoc)
        except (Retry, Unsupported, ConfigurationError) as problem:
            yield wrong(self.title, str(problem), advice_for(str(problem), self._node.calling_ae_title))
            return
        for sop_class_uid, advice in wanted.items():
            yield self._takes(assoc, sop_class_uid, advice)

    def _echo(self, assoc: Association) -> Finding:
        try:
            status = verify(assoc)
        except (Unsupported, NotNow):
            told = f"{self._node} takes associations, but no C-ECHO"
            advice = "nothing, if its maker says so: a Storage SCP should support Verification"
            return doubtful(self.title, told, advice)
        if status == Status.SUCCESS:
            return good(self.title, f"{self._node} answers C-ECHO")
        return doubtful(self.title, f"{self._node} answers C-ECHO with 0x{status:04X}", "there: see its log")

    def _takes(self, assoc: Association, sop_class_uid: str, advice: str) -> Finding:
        name = UID(sop_class_uid).name
        try:
            context_for(assoc, _explicit(sop_class_uid))
        except Unsupported:
            return wrong(self.title, f"does not take {name}", advice)
        except NotNow as problem:
            return wrong(self.title, f"does not take {name} now: {problem}", advice)
        return good(self.title, f"takes {name}")

    @property
    def audit_target(self) -> AuditTarget:
        """The node, by AE title and host."""
        return AuditTarget(self._node.ae_title, self._node.ae_title, self._node.host)


def _explicit(sop_class_uid: str) -> Content:
    return Content(sop_class_uid, ExplicitVRLittleEndian)


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

    A duplicate SOP instance (PS3.7 C.5.6) counts as stored: a UID never names two objects (PS3.5 9), and ours
    are written once, so that the node has this one from an attempt whose answer was lost. Out of resources
    (A7xx) and every status that the tables do not name are tried again.
    """
    if is_success(status) or status == DUPLICATE_SOP_INSTANCE:
        return Verdict.DELIVERED
    refused = status >> 8 == 0xA9 or status >> 12 == 0xC or status in _REFUSED_FOR_GOOD
    return Verdict.NEVER if refused else Verdict.LATER


DUPLICATE_SOP_INSTANCE = 0x0111
_REFUSED_FOR_GOOD = {0x0117, 0x0122}  # invalid SOP instance, SOP class not supported (PS3.7 C.5.8, C.5.20)
