"""Settings of the results that leave DICOM: messages for a RIS, resources for an EHR."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from gateway.settings.section import Section

HL7Name = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64, pattern=r"^[ -~]*$")]
URI = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9+.-]*:[!-~]+$", max_length=255)]


class HL7Message(Section):
    """The HL7 v2.5.1 message ORU^R01 of each answer."""

    sending_application: HL7Name = "CXR_GATEWAY"
    """MSH-3, as the receiver knows the gateway."""
    sending_facility: HL7Name = ""
    """MSH-4."""
    receiving_application: HL7Name = ""
    """MSH-5, as the receiver calls itself."""
    receiving_facility: HL7Name = ""
    """MSH-6."""
    processing_id: Literal["P", "T", "D"] = "P"
    """MSH-11: P (production), T (training) or D (debugging)."""
    acknowledgement: Literal["original", "enhanced"] = "original"
    """Mode of acknowledgement: original (AA, AE, AR), or enhanced (CA, CE, CR; MSH-15 AL, MSH-16 NE)."""
    character_set: Literal["UNICODE UTF-8", "8859/1"] = "UNICODE UTF-8"
    """MSH-18 and the encoding: UNICODE UTF-8 or 8859/1."""
    corrected_status: Literal["P", "C"] = "P"
    """OBR-25 and OBX-11 of an answer that replaces an earlier one: P, or C for a receiver that replaces only
    what it gets as a correction."""
    pdf: bool = False
    """Add the page of `results.pdf` as the last observation, in Base64: some 250 KB."""


class FHIRBundle(Section):
    """The FHIR R4 transaction Bundle of each answer."""

    patient_system: URI | None = None
    """System (a URI) of Patient IDs; null: the universal ID of the issuer that the image names, if any."""
    accession_system: URI | None = None
    """System (a URI) of accession numbers; null: as for patients."""
    pdf: bool = False
    """Add the page of `results.pdf` to the report as `presentedForm`, in Base64: some 250 KB."""
