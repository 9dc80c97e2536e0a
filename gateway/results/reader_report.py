"""Builds the SR in which a reader judges an answer (PS3.3 A.35.13, PS3.16 TID 1500 with a person observer).

A worker builds it from the gateway's own report on the answer: patient, study, equipment, image and tracked
finding are those of that report, which it never replaces. Its UID follows from the report, the reader and the
time of the reader's word: a word has one SR, and a later word another one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID, ExplicitVRLittleEndian

from gateway.records import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, uid_from
from gateway.results.answer import SERIES_DESCRIPTION, Predecessor
from gateway.results.content_items import CONTAINS, HAS_OBS_CONTEXT
from gateway.results.encoding import dicom_result
from gateway.results.identity import series_uid
from gateway.results.modules import code_dataset, long_string
from gateway.results.result import Result
from gateway.results.structured_report import predecessor_item

KIND = "reader-sr"
SENTENCE = (
    "Research only, not for diagnostic use: a reader's unverified opinion on the output of an image "
    "classifier that is not a medical device. It must not influence the care of the patient."
)
COMPARISON = codes.DCM.ComparisonToPreviousStudies
"""Concept name of agreement: no context group names one for CID 3217."""
ROLES: dict[str, Code] = {
    "physician": codes.SCT.Physician,
    "attending": codes.SCT.Attending,
    "consultant": codes.SCT.Consultant,
    "registrar": codes.SCT.Registrar,
    "resident": codes.SCT.Resident,
    "fellow": codes.DCM.Fellow,
    "technologist": codes.SCT.RadiologicTechnologist,
}
"""Roles in the organisation (PS3.16 CID 7452) by the name that the settings have."""

_AFTER_REPORT = 5  # Series Number: 6 as last digit, where the report has 1
_COPIED = (
    *("SpecificCharacterSet", "SOPClassUID", "Modality", "ContentQualification"),
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "IssuerOfPatientID"),
    *("IssuerOfPatientIDQualifiersSequence", "PatientAge", "PatientSize", "PatientWeight"),
    *("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "AccessionNumber", "StudyDescription"),
    *("ReferringPhysicianName", "IssuerOfAccessionNumberSequence", "ProcedureCodeSequence"),
    *("TimezoneOffsetFromUTC", "Manufacturer", "ManufacturerModelName", "DeviceSerialNumber"),
    *("SoftwareVersions", "ContributingEquipmentSequence", "ReferencedRequestSequence"),
    *("CompletionFlag", "VerificationFlag", "PreliminaryFlag", "PerformedProcedureCodeSequence"),
    *("ReferencedPerformedProcedureStepSequence", "CurrentRequestedProcedureEvidenceSequence"),
    *("ValueType", "ConceptNameCodeSequence", "ContinuityOfContent", "ContentTemplateSequence"),
)
_OPPOSITE: dict[Code, Code] = {codes.SCT.Present: codes.SCT.Absent, codes.SCT.Absent: codes.SCT.Present}
_UNDETERMINED: Code = codes.SCT.Undetermined
_PRESENCES = (*_OPPOSITE, _UNDETERMINED)
_MOST_CARETS = 4  # components of a person's name (PS3.5 6.2.1)


@dataclass(frozen=True, slots=True)
class Reading:
    """One word of a reader on an answer.

    Attributes
    ----------
    reader
        Name of the reader; DICOM's form with `^` is kept.
    agrees
        With the answer; None where the reader is unsure.
    comment
        The reader's own words, or empty.
    time
        Aware; when the reader said so.
    """

    reader: str
    agrees: bool | None
    comment: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Organisation:
    """The readers' organisation and role in it, a key of `ROLES`; None where not known."""

    name: str | None = None
    role: str | None = None


def reader_report(
    report: Dataset, reading: Reading, organisation: Organisation, earlier: str | None = None
) -> Result:
    """Return the reader's SR; the same arguments always give the same bytes.

    Parameters
    ----------
    report
        The gateway's SR on the answer.
    earlier
        SOP Instance UID of the same reader's last SR on the answer, which this one revises.

    Raises
    ------
    ValueError
        If `report` is no report on a finding.
    """
    made = Dataset()
    for keyword in _COPIED:
        if keyword in report:
            made[keyword] = report[keyword]
    made.SOPInstanceUID = uid_from(
        f"reading|{report.SOPInstanceUID}|{reading.reader}|{reading.time.astimezone(UTC).isoformat()}"
    )
    _series(made, report, reading.time)
    made.PredecessorDocumentsSequence = list(_predecessors(report, earlier))
    made.ContentSequence = list(_content(report, reading, organisation))
    made.file_meta = _file_meta(made)
    return dicom_result(KIND, made)


def _series(made: Dataset, report: Dataset, time: datetime) -> None:
    made.SeriesInstanceUID = series_uid(made.SOPInstanceUID)
    made.SeriesNumber = int(report.SeriesNumber) + _AFTER_REPORT
    made.SeriesDescription = f"{SERIES_DESCRIPTION}: reader"
    made.InstanceNumber = 1
    offset = report.get("TimezoneOffsetFromUTC")  # holds for every time of the object (PS3.3 C.12.1.1.8)
    local = time.astimezone(datetime.strptime(offset, "%z").tzinfo if offset else None)
    made.ContentDate = made.SeriesDate = made.InstanceCreationDate = f"{local:%Y%m%d}"
    made.ContentTime = made.SeriesTime = made.InstanceCreationTime = f"{local:%H%M%S.%f}"


def _predecessors(report: Dataset, earlier: str | None) -> Iterator[Dataset]:
    """Name both documents whose content the new one includes (PS3.3 C.17.2.3)."""
    study, kind = str(report.StudyInstanceUID), str(report.SOPClassUID)
    uids = [str(report.SOPInstanceUID)] if earlier is None else [str(report.SOPInstanceUID), earlier]
    item = predecessor_item(Predecessor(study, series_uid(uids[0]), kind, uids[0]))
    series = [
        predecessor_item(Predecessor(study, series_uid(uid), kind, uid)).ReferencedSeriesSequence[0]
        for uid in uids
    ]
    item.ReferencedSeriesSequence = series
    yield item


def _content(report: Dataset, reading: Reading, organisation: Organisation) -> Iterator[Dataset]:
    yield from _copies(report, codes.DCM.LanguageOfContentItemAndDescendants)
    yield from _observer(reading.reader, organisation)
    yield from _copies(report, codes.DCM.ProcedureReported)
    yield _text(CONTAINS, codes.DCM.Comment, SENTENCE)
    yield from _copies(report, codes.DCM.ImageLibrary)
    measurements = _only(report, codes.DCM.ImagingMeasurements)
    group = _only(measurements, codes.DCM.MeasurementGroup)
    yield _holding(measurements, [_holding(group, list(_group(group, reading)))])


def _observer(reader: str, organisation: Organisation) -> Iterator[Dataset]:
    """TID 1003."""
    yield _code(HAS_OBS_CONTEXT, codes.DCM.ObserverType, codes.DCM.Person)
    name = _item(HAS_OBS_CONTEXT, "PNAME", codes.DCM.PersonObserverName)
    name.PersonName = person_name(reader)
    yield name
    if organisation.name:
        yield _text(HAS_OBS_CONTEXT, codes.DCM.PersonObserverOrganizationName, organisation.name)
    if organisation.role:
        role = codes.DCM.PersonObserverRoleInTheOrganization
        yield _code(HAS_OBS_CONTEXT, role, ROLES[organisation.role])


def person_name(reader: str) -> str:
    """Return a reader's name as a Person Name (PS3.5 6.2): one component group of at most 64 characters."""
    name = long_string(reader.replace("=", " "))
    return name if name.count("^") <= _MOST_CARETS else name.replace("^", " ")


def _group(group: Dataset, reading: Reading) -> Iterator[Dataset]:
    """TID 1501: the finding that the gateway's report tracks, as the reader sees it."""
    ours = _evaluation(group)
    finding, presence = _concept(ours), _seen(_value(ours), reading.agrees)
    yield from _copies(group, codes.DCM.TrackingIdentifier)
    yield from _copies(group, codes.DCM.TrackingUniqueIdentifier)
    if presence is not None and presence == codes.SCT.Present:
        yield _code(CONTAINS, codes.DCM.Finding, finding)
    yield from _copies(group, codes.SCT.FindingSite)
    if presence is not None:
        yield _code(CONTAINS, finding, presence)
    if reading.agrees is not None:
        agreement, disagreement = (
            codes.DCM.AgreementWithPriorFindings,
            codes.DCM.DisagreementWithPriorFindings,
        )
        yield _code(CONTAINS, COMPARISON, agreement if reading.agrees else disagreement)
    yield from _copies(group, codes.DCM.SourceOfMeasurement)
    if words := _printable(reading.comment):
        yield _text(CONTAINS, codes.DCM.Comment, words)


def _seen(answered: Code, agrees: bool | None) -> Code | None:
    """Return the finding's presence by the reader; None where it does not follow from the disagreement."""
    if agrees is None:
        return _UNDETERMINED
    return answered if agrees else _OPPOSITE.get(answered)


def _printable(text: str) -> str:
    """Return `text` without the control characters that an Unlimited Text cannot have (PS3.5 6.2)."""
    return re.sub(r"[\x00-\x08\x0b\x0e-\x1f\x7f]+", " ", text).strip()


def _evaluation(group: Dataset) -> Dataset:
    """Return the item that says whether the finding is present."""
    found = (
        each for each in group.ContentSequence if each.ValueType == "CODE" and _value(each) in _PRESENCES
    )
    item: Dataset | None = next(found, None)
    if item is None:
        raise ValueError("the report on the answer has no finding that is present, absent or undetermined")
    return item


def _only(container: Dataset, concept: Code) -> Dataset:
    found = _having(container, concept)
    if not found:
        raise ValueError(f"the report on the answer has no {concept.meaning}")
    return found[0]


def _copies(container: Dataset, concept: Code) -> list[Dataset]:
    return [deepcopy(each) for each in _having(container, concept)]


def _having(container: Dataset, concept: Code) -> list[Dataset]:
    return [each for each in container.ContentSequence if _concept(each) == concept]


def _concept(item: Dataset) -> Code:
    return _code_of(item.ConceptNameCodeSequence[0])


def _value(item: Dataset) -> Code:
    return _code_of(item.ConceptCodeSequence[0])


def _code_of(item: Dataset) -> Code:
    return Code(item.get("CodeValue", ""), item.get("CodingSchemeDesignator", ""), item.CodeMeaning)


def _holding(container: Dataset, items: Sequence[Dataset]) -> Dataset:
    """Return a container with other items."""
    copy = Dataset({tag: container[tag] for tag in container.keys() if tag != 0x0040A730})  # noqa: SIM118
    copy.ContentSequence = items
    return copy


def _code(relationship: str, concept: Code, value: Code) -> Dataset:
    item = _item(relationship, "CODE", concept)
    item.ConceptCodeSequence = [code_dataset(value)]
    return item


def _text(relationship: str, concept: Code, value: str) -> Dataset:
    item = _item(relationship, "TEXT", concept)
    item.TextValue = value
    return item


def _item(relationship: str, value_type: str, concept: Code) -> Dataset:
    item = Dataset()
    item.RelationshipType = relationship
    item.ValueType = value_type
    item.ConceptNameCodeSequence = [code_dataset(concept)]
    return item


def _file_meta(made: Dataset) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta
