"""The presentation contexts (PS3.8 9.3.2.2) that the listener accepts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from pynetdicom import sop_class
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, build_context

from gateway.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from gateway.receive.sop_classes import SOP_CLASSES


def offer(event: Event) -> None:
    """Accept the proposed SOP classes that are known; to build all of them would take 45 ms each time."""
    request = cast(A_ASSOCIATE, event.assoc.requestor.primitive)
    proposed = (str(each.abstract_syntax) for each in request.presentation_context_definition_list)
    event.assoc.acceptor.supported_contexts = contexts_for(proposed)


def contexts_for(proposed: Iterable[str]) -> list[PresentationContext]:
    """Return Verification, storage of the proposed SOP classes in every transfer syntax, and reports."""
    verification = build_context(sop_class.Verification)
    storage = [build_context(each, list(TRANSFER_SYNTAXES)) for each in SOP_CLASSES.intersection(proposed)]
    return [verification, *storage, _commitment_reports()]


def _commitment_reports() -> PresentationContext:
    """Return Storage Commitment with the peer as SCP: a PACS may report on an association of its own."""
    context = build_context(sop_class.StorageCommitmentPushModel)
    context.scu_role, context.scp_role = False, True  # PS3.7 D.3.3.4
    return context
