"""What the listener negotiates: SOP classes and transfer syntaxes."""

from __future__ import annotations

from pydicom import uid
from pynetdicom import sop_class
from pynetdicom.presentation import PresentationContext, build_context

SOP_CLASSES: tuple[str, ...] = (
    sop_class.ComputedRadiographyImageStorage,  # type: ignore[attr-defined]
    sop_class.DigitalXRayImageStorageForPresentation,  # type: ignore[attr-defined]
    sop_class.DigitalXRayImageStorageForProcessing,  # type: ignore[attr-defined]
    sop_class.SecondaryCaptureImageStorage,  # type: ignore[attr-defined]
    # our own reports, sent back by a PACS that routes everything: taken, so that it does not try for ever
    sop_class.ComprehensiveSRStorage,  # type: ignore[attr-defined]
    sop_class.Comprehensive3DSRStorage,  # type: ignore[attr-defined]
)

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


def presentation_contexts() -> list[PresentationContext]:
    """Return what is offered to every peer: Verification, storage in every transfer syntax, reports."""
    verification = build_context(sop_class.Verification)  # type: ignore[attr-defined]
    storage = [build_context(each, list(TRANSFER_SYNTAXES)) for each in SOP_CLASSES]
    return [verification, *storage, _commitment_reports()]


def _commitment_reports() -> PresentationContext:
    """Storage Commitment with the peer as SCP: a PACS answers our requests on an association of its own."""
    context = build_context(sop_class.StorageCommitmentPushModel)  # type: ignore[attr-defined]
    context.scu_role, context.scp_role = False, True  # PS3.7 D.3.3.4
    return context
