"""What the listener negotiates: SOP classes and transfer syntaxes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from pydicom import uid
from pynetdicom import AllStoragePresentationContexts, sop_class
from pynetdicom.events import Event
from pynetdicom.pdu_primitives import A_ASSOCIATE
from pynetdicom.presentation import PresentationContext, build_context

SOP_CLASSES = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
"""Every storage SOP class (PS3.4 B.5): who sends a study sends dose reports, presentation states and our own
results beside the radiographs, and would try for ever, or give up on all of it, if one were not taken."""

TRANSFER_SYNTAXES: tuple[str, ...] = (
    # in order of preference where one presentation context proposes several: first what needs no codec
    uid.ExplicitVRLittleEndian,
    uid.ImplicitVRLittleEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    # then lossless
    uid.JPEGLSLossless,
    uid.JPEG2000Lossless,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.JPEGLosslessSV1,
    uid.JPEGLossless,
    uid.RLELossless,
    # then possibly lossy
    uid.JPEG2000,
    uid.HTJ2K,
    uid.JPEGLSNearLossless,
    uid.JPEGExtended12Bit,
    uid.JPEGBaseline8Bit,
)


def offer(event: Event) -> None:
    """Offer the proposed SOP classes that are known: all of them for each association would cost 45 ms."""
    request = cast(A_ASSOCIATE, event.assoc.requestor.primitive)
    proposed = (str(each.abstract_syntax) for each in request.presentation_context_definition_list)
    event.assoc.acceptor.supported_contexts = contexts_for(proposed)


def contexts_for(proposed: Iterable[str]) -> list[PresentationContext]:
    """Return Verification, storage of the proposed SOP classes in every transfer syntax, and reports."""
    verification = build_context(sop_class.Verification)  # type: ignore[attr-defined]
    storage = [build_context(each, list(TRANSFER_SYNTAXES)) for each in SOP_CLASSES.intersection(proposed)]
    return [verification, *storage, _commitment_reports()]


def _commitment_reports() -> PresentationContext:
    """Storage Commitment with the peer as SCP: a PACS answers our requests on an association of its own."""
    context = build_context(sop_class.StorageCommitmentPushModel)  # type: ignore[attr-defined]
    context.scu_role, context.scp_role = False, True  # PS3.7 D.3.3.4
    return context
