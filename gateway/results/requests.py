"""Collects the requests of an image: each request once, each accession number with its issuer."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset

_NUMBERS = ("AccessionNumber", "RequestedProcedureID")
_NAMES = ("StudyInstanceUID", "IssuerOfAccessionNumberSequence", *_NUMBERS)


def distinct(items: Iterable[Dataset]) -> list[Dataset]:
    """Return the items without repetitions, in their order."""
    found: list[Dataset] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def procedure_codes(header: Dataset) -> list[Dataset]:
    """Return the codes of the imaging procedure: of the performed one, else of the requested one."""
    requests = header.get("RequestAttributesSequence") or []
    candidates = [
        header.get("ProcedureCodeSequence"),
        header.get("RequestedProcedureCodeSequence"),
        *(request.get("RequestedProcedureCodeSequence") for request in requests),
    ]
    return list(next(filter(None, candidates), None) or ())


def referenced_requests(header: Dataset) -> list[Dataset]:
    """Return Referenced Request items (PS3.3 C.17.2), one for each request that the image names.

    Procedure steps of one request are one item. The image's own Accession Number stands for an absent one
    only where it can mean nothing else: a single request, of the image's study.
    """
    requests: list[Dataset] = []
    for attributes in header.get("RequestAttributesSequence") or ():
        request = _referenced(header, attributes)
        known = next((each for each in requests if _are_one(each, request)), None)
        if known is None:
            requests.append(request)
        else:
            known.update({each.tag: each for each in request if not known.get(each.keyword)})
    for request in requests:
        if request.StudyInstanceUID == header.StudyInstanceUID:
            _complete(request, header, alone=len(requests) == 1)
    return requests


def _referenced(header: Dataset, attributes: Dataset) -> Dataset:
    """Return the request of an item of Request Attributes Sequence, without its scheduled step."""
    request = Dataset()
    request.StudyInstanceUID = header.StudyInstanceUID
    request.ReferencedStudySequence = []
    request.AccessionNumber = ""
    request.PlacerOrderNumberImagingServiceRequest = ""
    request.FillerOrderNumberImagingServiceRequest = ""
    request.RequestedProcedureID = request.RequestedProcedureDescription = ""
    request.RequestedProcedureCodeSequence = []
    request.update({each.tag: each for each in attributes if "Scheduled" not in each.keyword})
    return request


def _are_one(request: Dataset, other: Dataset) -> bool:
    """Tell whether two items share a number, and nothing that names a request tells them apart."""
    pairs = {name: (request.get(name), other.get(name)) for name in _NAMES}
    if any(one and another and one != another for one, another in pairs.values()):
        return False
    return request == other or any(pairs[name][0] and pairs[name][0] == pairs[name][1] for name in _NUMBERS)


def _complete(request: Dataset, header: Dataset, alone: bool) -> None:
    if alone and not request.AccessionNumber:
        request.AccessionNumber = header.get("AccessionNumber", "")
    issuer = header.get("IssuerOfAccessionNumberSequence")
    if issuer and request.AccessionNumber and request.AccessionNumber == header.get("AccessionNumber"):
        request.setdefault("IssuerOfAccessionNumberSequence", issuer)
