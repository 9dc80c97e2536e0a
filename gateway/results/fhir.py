"""Data types of FHIR R4 as dictionaries, from DICOM's values; `transaction_bundle` calls it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom.sr.coding import Code

from gateway.results.order import Authority

Resource = dict[str, Any]

DICOM_UID = "urn:dicom:uid"
"""System of identifiers that are DICOM UIDs; their values are URNs (R4, ImagingStudy.identifier)."""

UCUM = "http://unitsofmeasure.org"
DICOM_CODES = "http://dicom.nema.org/resources/ontology/DCM"
_SYSTEMS = {
    "DCM": DICOM_CODES,
    "SCT": "http://snomed.info/sct",
    "LN": "http://loinc.org",
    "UCUM": UCUM,
    "RADLEX": "http://radlex.org",
}
_IDENTIFIER_TYPE = "http://terminology.hl7.org/CodeSystem/v2-0203"


@dataclass(frozen=True, slots=True)
class BundleRules:
    """The settings of the Bundle; the fields are those of `settings.FHIRBundle`."""

    patient_system: str | None = None
    accession_system: str | None = None
    pdf: bool = False


def coding(code: Code) -> Resource:
    """Return a Coding; a local coding scheme has no system that others know, and is left out."""
    system = _SYSTEMS.get(code.scheme_designator)
    stated = {"system": system, "code": code.value} if system else {"code": code.value}
    return stated | ({"display": code.meaning} if code.meaning else {})


def concept(code: Code) -> Resource:
    """Return a CodeableConcept."""
    return {"coding": [coding(code)]} | ({"text": code.meaning} if code.meaning else {})


def term(system: str, code: str) -> Resource:
    """Return a CodeableConcept of FHIR's own terminology."""
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/{system}", "code": code}]}


def uid_identifier(uid: str) -> Resource:
    """Return the Identifier of a DICOM UID."""
    return {"system": DICOM_UID, "value": f"urn:oid:{uid}"}


def token(uid: str) -> str:
    """Return the search value of `uid_identifier`."""
    return f"{DICOM_UID}|urn:oid:{uid}"


def identifier(value: str, authority: Authority, type_code: str, system: str | None = None) -> Resource:
    """Return the Identifier of a number that somebody assigned; the system of the settings counts first."""
    uri = system or authority.uri
    stated: Resource = {"type": {"coding": [{"system": _IDENTIFIER_TYPE, "code": type_code}]}}
    stated |= {"system": uri} if uri else {}
    stated["value"] = value
    return stated | ({"assigner": {"display": authority.name}} if authority.name else {})


def instant(time: datetime) -> str:
    """Return an aware time to the second."""
    return time.isoformat(timespec="seconds")


def date_time(day: str, time: str, offset: str) -> str:
    """Return a dateTime of DICOM's DA and TM: only the day where the image names no offset from UTC.

    A dateTime with a time has a zone (R4 2.24.0.1), and which one an image means is not guessed.
    """
    date = f"{day[:4]}-{day[4:6]}-{day[6:]}"
    if len(time) < len("HHMM") or not offset:
        return date
    seconds = time[4:6] or "00"
    zone = f"{offset[:3]}:{offset[3:]}"
    return f"{date}T{time[:2]}:{time[2:4]}:{seconds}{zone}"


def full_url(result_uid: str, name: str) -> str:
    """Return the fullUrl of an entry: the same result, the same URL."""
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, f'{result_uid}|{name}')}"
