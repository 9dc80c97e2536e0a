"""The order behind an image, as the builders of results for a RIS or an EHR need it.

Identifiers are taken only where they can mean nothing else: a result that is filed with another order is
worse than one that is filed by hand.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from gateway.results.requests import distinct, procedure_codes

DIAGNOSTIC_IMAGING_STUDY = Code("18748-4", "LN", "Diagnostic imaging study")
"""Stands for the procedure of a document on an image that names none."""

_NUMBERS = {
    "placer": "PlacerOrderNumberImagingServiceRequest",
    "filler": "FillerOrderNumberImagingServiceRequest",
    "accession_number": "AccessionNumber",
    "requested_procedure_id": "RequestedProcedureID",
    "scheduled_step_id": "ScheduledProcedureStepID",
}


@dataclass(frozen=True, slots=True)
class Authority:
    """An assigning authority: its local name, and its universal ID with the ID's type (PS3.3 10.14)."""

    name: str = ""
    universal_id: str = ""
    universal_id_type: str = ""

    @property
    def uri(self) -> str | None:
        """The universal ID as a URI, None where there is none that can be one."""
        if self.universal_id_type == "ISO":
            return f"urn:oid:{self.universal_id}"
        if self.universal_id_type == "UUID":
            return f"urn:uuid:{self.universal_id.lower()}"
        return self.universal_id if self.universal_id_type == "URI" else None


@dataclass(frozen=True, slots=True)
class Order:
    """The numbers of an order; what the image does not name is empty.

    Attributes
    ----------
    placer, filler
        Placer and Filler Order Number / Imaging Service Request (0040,2016), (0040,2017).
    accession_number
        (0008,0050), and who issued it.
    procedure
        The imaging procedure; None where the image has no code for it.
    """

    placer: str
    filler: str
    accession_number: str
    accession_issuer: Authority
    requested_procedure_id: str
    scheduled_step_id: str
    procedure: Code | None


def order_of(header: Dataset) -> Order:
    """Return the order of an image; `header` is `SourceHeader.dataset`."""
    request = _request(header)
    numbers = {
        name: str(request.get(keyword) or header.get(keyword) or "") for name, keyword in _NUMBERS.items()
    }
    issuers = request.get("IssuerOfAccessionNumberSequence") or header.get("IssuerOfAccessionNumberSequence")
    procedures = procedure_codes(header)
    return Order(
        **numbers,
        accession_issuer=authority(issuers[0] if issuers else Dataset()),
        procedure=code_of(procedures[0]) if procedures else None,
    )


def _request(header: Dataset) -> Dataset:
    """Return the only request, or the one with the image's own Accession Number; else an empty one."""
    requests = distinct(header.get("RequestAttributesSequence") or ())
    if len(requests) == 1:
        return requests[0]
    own = header.get("AccessionNumber")
    named = [each for each in requests if own and each.get("AccessionNumber") == own]
    return named[0] if len(named) == 1 else Dataset()


def patient_authority(header: Dataset) -> Authority:
    """Return who issued the Patient ID."""
    qualifiers = header.get("IssuerOfPatientIDQualifiersSequence")
    universal = authority(qualifiers[0]) if qualifiers else Authority()
    return Authority(
        str(header.get("IssuerOfPatientID") or ""), universal.universal_id, universal.universal_id_type
    )


def authority(item: Dataset) -> Authority:
    """Return the authority of an item of the HL7v2 Hierarchic Designator macro (PS3.3 10.14)."""
    keywords = ("LocalNamespaceEntityID", "UniversalEntityID", "UniversalEntityIDType")
    return Authority(*(str(item.get(keyword) or "") for keyword in keywords))


def code_of(item: Dataset) -> Code:
    """Return the code of an item of a code sequence (PS3.3 8.8)."""
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    return Code(str(value), str(item.get("CodingSchemeDesignator") or ""), str(item.get("CodeMeaning") or ""))
