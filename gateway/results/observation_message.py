"""Builds the HL7 v2.5.1 message ORU^R01 of an answer (chapter 7.3.1), for a RIS or an EHR.

The message is preliminary, and says in its first observation that it is for research only. It asks for no
alarm: no abnormal flag, no reference range.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from gateway.records import HL7, HL7_V2, SR
from gateway.results.answer import RESEARCH_SENTENCE, percent, summary
from gateway.results.content_tree import ANSWER, PERCENT, PLAIN_CHEST
from gateway.results.hl7 import (
    CODECS,
    ENCODING_CHARACTERS,
    MessageRules,
    coded,
    components,
    dicom_time,
    entity,
    escaped,
    identifier,
    person_name,
    segment,
    time_stamp,
)
from gateway.results.modules import MANUFACTURER, local_time
from gateway.results.order import DIAGNOSTIC_IMAGING_STUDY, Authority, Order, order_of, patient_authority
from gateway.results.page import page_of
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules

_VERSION = "2.5.1"
_CONTROL_ID_DIGITS = 20  # MSH-10 has at most 20 characters before version 2.7
_SUB_ID_DIGITS = 16  # OBX-4 has at most 20
_RADIOLOGY = "RAD"  # table 0074
_PRELIMINARY = "P"  # tables 0123 and 0085
_PDF = ("application", "pdf")  # ED-2, ED-3: the media type, as receivers of documents expect it
_ENHANCED = {15: "AL", 16: "NE"}  # accept acknowledgement always, application acknowledgement never (0155)
_DICOM_STUDY = components("113014", "DICOM Study", "DCM")  # as in IHE RAD-128
_US = Authority("CXR_GATEWAY")


class ObservationMessageBuilder(Builder):
    """Builds the message of an answer, where the settings ask for messages."""

    kind = HL7
    media_type = HL7_V2

    def is_wanted(self, rules: ResultRules) -> bool:
        """Tell whether `results.hl7` is stated."""
        return rules.hl7 is not None

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:
        """Build the message, without the frame of a transport."""
        uid, message = image.result_uid(self.kind), rules.hl7 or MessageRules()
        codec = CODECS[message.character_set]
        page = page_of(image, rules) if message.pdf else b""
        text = "".join(_Message(image, message, control_id(uid), page).segments())
        return Result(self.kind, self.media_type, f"{uid}.hl7", text.encode(codec, "replace"))


def control_id(result_uid: str) -> str:
    """Return MSH-10: the same result, the same ID at every attempt and every destination."""
    return hashlib.sha256(f"message|{result_uid}".encode()).hexdigest()[:_CONTROL_ID_DIGITS].upper()


def observation_sub_id(source_sop_instance_uid: str) -> str:
    """Return OBX-4: it tells the images of one order apart, and a corrected answer has it again."""
    return hashlib.sha256(f"image|{source_sop_instance_uid}".encode()).hexdigest()[:_SUB_ID_DIGITS].upper()


class _Message:
    """The segments of one message; `page` is a PDF, empty where the message has none."""

    def __init__(self, image: AnsweredImage, rules: MessageRules, message_id: str, page: bytes) -> None:
        self._image = image
        self._page = page
        self._rules = rules
        self._message_id = message_id
        self._header: Dataset = image.source.dataset
        self._answer = image.answer
        self._is_correction = bool(image.answer.predecessors)
        self._status = rules.corrected_status if self._is_correction else _PRELIMINARY
        self._answered_at = time_stamp(local_time(image.source, image.answer))
        self._acquired_at = _acquired_at(self._header)

    def segments(self) -> Iterator[str]:
        """Yield MSH, PID, OBR and every OBX."""
        yield self._message_header()
        yield self._patient()
        yield self._request(order_of(self._header))
        times: Counter[str] = Counter()
        for number, (value_type, concept, value, unit) in enumerate(self._observations(), 1):
            times[concept] += 1
            yield self._observation(number, value_type, concept, times[concept], value, unit)

    def _message_header(self) -> str:
        rules = self._rules
        fields = {
            1: ENCODING_CHARACTERS,
            2: escaped(rules.sending_application),
            3: escaped(rules.sending_facility),
            4: escaped(rules.receiving_application),
            5: escaped(rules.receiving_facility),
            6: self._answered_at,
            8: components("ORU", "R01", "ORU_R01"),
            9: self._message_id,
            10: rules.processing_id,
            11: _VERSION,
            17: rules.character_set,
        }
        if rules.acknowledgement == "enhanced":
            fields |= {number - 1: value for number, value in _ENHANCED.items()}
        return segment("MSH", fields)  # the separator before MSH-2 is MSH-1

    def _patient(self) -> str:
        header = self._header
        issuer = patient_authority(header)
        qualifiers = header.get("IssuerOfPatientIDQualifiersSequence") or [Dataset()]
        type_code = str(qualifiers[0].get("IdentifierTypeCode") or "MR")
        fields = {
            1: "1",
            3: identifier(str(header.get("PatientID", "")), issuer, type_code),
            5: self._name(str(header.get("PatientName", ""))),
            7: str(header.get("PatientBirthDate", "")),
            8: str(header.get("PatientSex", "")),
        }
        return segment("PID", fields)

    def _name(self, name: str) -> str:
        """Return XPN; a group that the character set does not have is left out, unless it is the only one."""
        codec = CODECS[self._rules.character_set]
        first, *others = name.split("=")
        groups = [group if _has(codec, group) else "" for group in others]
        if not _has(codec, first) and any(groups):
            first = ""
        return person_name("=".join([first, *groups]))

    def _request(self, order: Order) -> str:
        study = str(self._header.StudyInstanceUID)
        accession = entity(order.accession_number, order.accession_issuer)
        filler = entity(order.filler, Authority()) or accession or entity(study, _US)
        fields = {
            1: "1",
            2: entity(order.placer, Authority()),
            3: filler,
            4: coded(order.procedure or PLAIN_CHEST),
            7: self._acquired_at,
            18: escaped(order.accession_number),
            19: escaped(order.requested_procedure_id),
            20: escaped(order.scheduled_step_id),
            22: self._answered_at,
            24: _RADIOLOGY,
            25: self._status,
        }
        return segment("OBR", fields)

    def _observations(self) -> Iterator[tuple[str, str, str, str]]:
        """Yield value type, concept, value and unit of each observation, the research sentence first."""
        prediction, header = self._answer.prediction, self._header
        finding = prediction.model.finding
        comment = coded(codes.DCM.Comment)
        yield "TX", comment, escaped(RESEARCH_SENTENCE), ""
        answer = coded(ANSWER[prediction.presence])
        yield "CWE", coded(Code(finding.code, finding.scheme, finding.meaning)), answer, ""
        score = percent(prediction)
        if score is not None:
            yield "NM", coded(codes.DCM.CertaintyOfFinding), f"{score:.1f}", coded(PERCENT)
        yield "TX", comment, escaped(summary(prediction)), ""
        for earlier in self._answer.predecessors:
            told = f"Replaces the answer to the same image in SR {earlier.sop_instance_uid}."
            yield "TX", comment, escaped(told), ""
        yield "ST", _DICOM_STUDY, str(header.StudyInstanceUID), ""
        yield "ST", components("", "SR Instance UID"), self._image.result_uid(SR), ""
        yield "ST", components("", "SOP Instance UID"), str(header.SOPInstanceUID), ""
        if self._page:
            content = b64encode(self._page).decode()
            yield "ED", coded(DIAGNOSTIC_IMAGING_STUDY), components("", *_PDF, "Base64", content), ""

    def _observation(
        self, number: int, value_type: str, concept: str, repetition: int, value: str, unit: str
    ) -> str:
        """Return an OBX; OBX-3 with OBX-4 is unique, as receivers keep one observation for both."""
        model = self._answer.model
        sub_id = observation_sub_id(str(self._header.SOPInstanceUID))
        fields = {
            1: str(number),
            2: value_type,
            3: concept,
            4: sub_id if repetition == 1 else f"{sub_id}.{repetition}",
            5: value,
            6: unit,
            11: self._status,
            14: self._acquired_at,
            17: components(model.name, f"{model.name} {model.version}", "L"),
            18: components(model.device_uid, MANUFACTURER),
            19: self._answered_at,
        }
        return segment("OBX", fields)


def _acquired_at(header: Dataset) -> str:
    """Return when the image was acquired, else when its study began."""
    offset = str(header.get("TimezoneOffsetFromUTC", ""))
    for name in ("Acquisition", "Study"):
        if day := str(header.get(f"{name}Date", "")):
            return dicom_time(day, str(header.get(f"{name}Time", "")), offset)
    return ""


def _has(codec: str, text: str) -> bool:
    try:
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True
