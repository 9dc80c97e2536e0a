"""Builds the FHIR R4 transaction Bundle of an answer, for an EHR.

The same Bundle can be sent any number of times: DiagnosticReport and Observation are updated by identifiers
that a corrected answer has again, everything else is created where it is not there yet. The report is
preliminary, and says wherever text is shown that it is for research only.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from html import escape

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from gateway.records import FHIR, FHIR_JSON, SR
from gateway.results.answer import RESEARCH_BANNER, RESEARCH_SENTENCE, percent, summary
from gateway.results.content_tree import ANSWER
from gateway.results.fhir import (
    DICOM_CODES,
    UCUM,
    BundleRules,
    Resource,
    coding,
    concept,
    date_time,
    full_url,
    identifier,
    instant,
    term,
    token,
    uid_identifier,
)
from gateway.results.identity import lasting_uid
from gateway.results.modules import MANUFACTURER, local_time
from gateway.results.order import DIAGNOSTIC_IMAGING_STUDY, order_of, patient_authority
from gateway.results.page import TITLE, page_of
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules

_PRELIMINARY = "preliminary"
_TAGS = "urn:cxr-gateway:result"  # by which a Provenance, which has no identifier, is found again


class TransactionBundleBuilder(Builder):
    """Builds the Bundle of an answer, where the settings ask for Bundles."""

    kind = FHIR
    media_type = FHIR_JSON

    def is_wanted(self, rules: ResultRules) -> bool:
        """Tell whether `results.fhir` is stated."""
        return rules.fhir is not None

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:
        """Build the Bundle."""
        uid = image.result_uid(self.kind)
        stated = rules.fhir or BundleRules()
        page = page_of(image, rules) if stated.pdf else b""
        bundle = _Bundle(image, stated, uid, page).resource()
        content = json.dumps(bundle, ensure_ascii=False, separators=(",", ":")).encode()
        return Result(self.kind, self.media_type, f"{uid}.json", content)


class _Bundle:
    """The resources of one answer; references between them are the entries' fullUrls.

    `page` is a PDF, empty where the report has none.
    """

    def __init__(self, image: AnsweredImage, rules: BundleRules, uid: str, page: bytes) -> None:
        self._uid = uid
        self._page = page
        self._rules = rules
        self._header: Dataset = image.source.dataset
        self._answer = image.answer
        self._report_uid = image.result_uid(SR)
        self._order = order_of(self._header)
        self._issued = instant(local_time(image.source, image.answer))
        self._lasting = {
            name: lasting_uid(name, str(self._header.SOPInstanceUID), image.answer.model.name)
            for name in ("DiagnosticReport", "Observation")
        }

    def resource(self) -> Resource:
        """Return the Bundle."""
        return {
            "resourceType": "Bundle",
            "identifier": uid_identifier(self._uid),
            "type": "transaction",
            "timestamp": self._issued,
            "entry": list(self._entries()),
        }

    def _entries(self) -> Iterator[Resource]:
        yield self._created(self._imaging_study(), f"identifier={token(self._header.StudyInstanceUID)}")
        yield self._created(self._device(), f"identifier={token(self._answer.model.device_uid)}")
        yield self._updated(self._observation())
        yield self._updated(self._report())
        yield self._created(self._provenance(), f"_tag={_TAGS}|{self._uid}")

    def _created(self, resource: Resource, unless: str) -> Resource:
        name = resource["resourceType"]
        request = {"method": "POST", "url": name, "ifNoneExist": unless}
        return {"fullUrl": full_url(self._uid, name), "resource": resource, "request": request}

    def _updated(self, resource: Resource) -> Resource:
        name = resource["resourceType"]
        request = {"method": "PUT", "url": f"{name}?identifier={token(self._lasting[name])}"}
        return {"fullUrl": full_url(self._uid, name), "resource": resource, "request": request}

    def _reference(self, name: str) -> Resource:
        return {"reference": full_url(self._uid, name), "type": name}

    # --- resources

    def _imaging_study(self) -> Resource:
        header = self._header
        modality = {"system": DICOM_CODES, "code": str(header.get("Modality") or "OT")}
        sop_class = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{header.SOPClassUID}"}
        instance = {"uid": str(header.SOPInstanceUID), "sopClass": sop_class}
        series = {"uid": str(header.SeriesInstanceUID), "modality": modality, "instance": [instance]}
        return {
            "resourceType": "ImagingStudy",
            "identifier": [uid_identifier(str(header.StudyInstanceUID)), *self._accession()],
            "status": "available",
            "modality": [modality],
            "subject": self._patient(),
            **self._time("started", "Study"),
            "series": [series],
        }

    def _device(self) -> Resource:
        model = self._answer.model
        return {
            "resourceType": "Device",
            "identifier": [uid_identifier(model.device_uid)],
            "manufacturer": MANUFACTURER,
            "serialNumber": model.weights_sha256,
            "deviceName": [{"name": model.name, "type": "model-name"}],
            "version": [{"value": model.version}, {"value": self._answer.software_version}],
            "note": [{"text": RESEARCH_SENTENCE}],
        }

    def _observation(self) -> Resource:
        prediction, model = self._answer.prediction, self._answer.model
        finding = Code(model.finding.code, model.finding.scheme, model.finding.meaning)
        return {
            "resourceType": "Observation",
            "text": self._narrative(),
            "identifier": [uid_identifier(self._lasting["Observation"])],
            "status": _PRELIMINARY,
            "category": [term("observation-category", "imaging")],
            "code": concept(finding),
            "subject": self._patient(),
            **self._acquired("effectiveDateTime"),
            "issued": self._issued,
            "valueCodeableConcept": concept(ANSWER[prediction.presence]),
            "note": [{"text": RESEARCH_SENTENCE}, {"text": summary(prediction)}],
            "bodySite": concept(codes.SCT.Lung),
            "method": {
                "coding": [coding(codes.DCM.ArtificialIntelligence)],
                "text": f"{model.name} {model.version}",
            },
            "device": self._reference("Device"),
            "derivedFrom": [self._reference("ImagingStudy")],
            **self._score(),
        }

    def _score(self) -> Resource:
        """Return the component with the score; an abstention has none."""
        score = percent(self._answer.prediction)
        if score is None:
            return {}
        quantity = {"value": score, "unit": "%", "system": UCUM, "code": "%"}
        return {"component": [{"code": concept(codes.DCM.CertaintyOfFinding), "valueQuantity": quantity}]}

    def _report(self) -> Resource:
        told = f"{RESEARCH_SENTENCE} {summary(self._answer.prediction)}"
        return {
            "resourceType": "DiagnosticReport",
            "text": self._narrative(),
            "identifier": [
                uid_identifier(self._lasting["DiagnosticReport"]),
                uid_identifier(self._report_uid),
            ],
            **self._based_on(),
            "status": _PRELIMINARY,
            "category": [term("v2-0074", "RAD")],
            "code": concept(self._order.procedure or DIAGNOSTIC_IMAGING_STUDY),
            "subject": self._patient(),
            **self._acquired("effectiveDateTime"),
            "issued": self._issued,
            "result": [self._reference("Observation")],
            "imagingStudy": [self._reference("ImagingStudy")],
            "conclusion": told,
            **self._presented_form(),
        }

    def _presented_form(self) -> Resource:
        if not self._page:
            return {}
        page = {
            "contentType": "application/pdf",
            "language": "en",
            "data": b64encode(self._page).decode(),
            "title": f"{TITLE}. {RESEARCH_BANNER}",
            "creation": self._issued,
        }
        return {"presentedForm": [page]}

    def _provenance(self) -> Resource:
        replaced = [
            {"type": "DiagnosticReport", "identifier": uid_identifier(each.sop_instance_uid)}
            for each in self._answer.predecessors
        ]
        return {
            "resourceType": "Provenance",
            "meta": {"tag": [{"system": _TAGS, "code": self._uid}]},
            "target": [self._reference("DiagnosticReport"), self._reference("Observation")],
            "recorded": self._issued,
            "agent": [
                {"type": term("provenance-participant-type", "assembler"), "who": self._reference("Device")}
            ],
            "entity": [
                {"role": "source", "what": self._reference("ImagingStudy")},
                *({"role": "revision", "what": each} for each in replaced),
            ],
        }

    # --- parts

    def _patient(self) -> Resource:
        """Return a logical reference: the gateway neither knows nor makes a Patient resource."""
        value = str(self._header.get("PatientID", ""))
        if not value:
            return {"type": "Patient", "display": "not identified"}
        issuer = patient_authority(self._header)
        named = identifier(value, issuer, "MR", self._rules.patient_system)
        return {"type": "Patient", "identifier": named}

    def _accession(self) -> list[Resource]:
        order = self._order
        if not order.accession_number:
            return []
        system = self._rules.accession_system
        return [identifier(order.accession_number, order.accession_issuer, "ACSN", system)]

    def _based_on(self) -> Resource:
        order = self._accession()
        return {"basedOn": [{"type": "ServiceRequest", "identifier": order[0]}]} if order else {}

    def _acquired(self, name: str) -> Resource:
        return self._time(name, "Acquisition") or self._time(name, "Study")

    def _time(self, name: str, event: str) -> Resource:
        day, time = (str(self._header.get(f"{event}{part}", "")) for part in ("Date", "Time"))
        offset = str(self._header.get("TimezoneOffsetFromUTC", ""))
        return {name: date_time(day, time, offset)} if day else {}

    def _narrative(self) -> Resource:
        told = summary(self._answer.prediction)
        words = f"<p><b>{escape(RESEARCH_SENTENCE)}</b></p><p>{escape(told)}</p>"
        return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{words}</div>'}
