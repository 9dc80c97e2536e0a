"""Builds the content of the SR: a Measurement Report (PS3.16 TID 1500) with one TID 1501 group per image.

`structured_report` calls it. The tree is encoded directly: as pydicom's objects it would take several times
the processor time of all other modules.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.tag import Tag

from gateway.records import ModelIdentity, Presence
from gateway.results.answer import NOT_FITTED, RESEARCH_SENTENCE, Answer, percent, score_name, summary
from gateway.results.content_items import (
    CONTAINS,
    HAS_ACQ_CONTEXT,
    HAS_CONCEPT_MOD,
    HAS_OBS_CONTEXT,
    SELECTED_FROM,
    code,
    code_item,
    container,
    image,
    missing_number,
    number,
    polyline,
    uid_reference,
    words,
)
from gateway.results.explicit_vr import encoded, sequence_value
from gateway.results.identity import tracking_uid
from gateway.results.modules import MANUFACTURER, code_dataset, long_string
from gateway.results.region import corners
from gateway.results.requests import procedure_codes

PLAIN_CHEST = Code("399208008", "SCT", "Plain X-ray of chest")
PERCENT = Code("%", "UCUM", "Percent")
ENGLISH = Code("en-US", "RFC5646", "English (United States)")
SOURCE = Code("260753009", "SCT", "Source")
ANSWER: dict[Presence, Code] = {
    Presence.PRESENT: codes.SCT.Present,
    Presence.ABSENT: codes.SCT.Absent,
    Presence.UNDETERMINED: codes.SCT.Undetermined,
}
MODALITY: dict[str, Code] = {
    "CR": codes.cid29.ComputedRadiography,
    "DX": codes.cid29.DigitalRadiography,
}
_CONTENT_SEQUENCE = Tag(0x0040A730)


def content_tree(header: Dataset, answer: Answer, state: tuple[str, str] | None = None) -> Dataset:
    """Return the root container of the report on one image; its Content Sequence is encoded already.

    Parameters
    ----------
    header
        `SourceHeader.dataset` of the image.
    answer
        What the report says. A positive answer has a Finding; an abstention has no score.
    state
        SOP class and SOP instance of the presentation state that shows the answer over the image.
    """
    root = Dataset()
    root.ValueType = "CONTAINER"
    root.ConceptNameCodeSequence = [code_dataset(codes.DCM.ImagingMeasurementReport)]
    root.ContinuityOfContent = "SEPARATE"
    root.ContentTemplateSequence = [_measurement_report()]
    content = sequence_value(_content(header, answer, state))
    root[_CONTENT_SEQUENCE] = RawDataElement(
        _CONTENT_SEQUENCE, "SQ", len(content), content, 0, is_implicit_VR=False, is_little_endian=True
    )
    return root


def _measurement_report() -> Dataset:
    template = Dataset()
    template.MappingResource = "DCMR"
    template.TemplateIdentifier = "1500"
    return template


def _content(header: Dataset, answer: Answer, state: tuple[str, str] | None) -> Iterator[bytes]:
    yield code(HAS_CONCEPT_MOD, codes.DCM.LanguageOfContentItemAndDescendants, code_item(ENGLISH))
    yield from _observer(answer.model)
    for procedure in _procedures(header):
        yield code(HAS_CONCEPT_MOD, codes.DCM.ProcedureReported, procedure)
    yield words(CONTAINS, codes.DCM.Comment, RESEARCH_SENTENCE)
    yield _image_library(header)
    yield container(codes.DCM.ImagingMeasurements, _measurement_group(header, answer, state))


def _observer(model: ModelIdentity) -> Iterator[bytes]:
    """TID 1004."""
    name = f"{long_string(model.name)} {long_string(model.version)}"
    yield code(HAS_OBS_CONTEXT, codes.DCM.ObserverType, code_item(codes.DCM.Device))
    yield uid_reference(HAS_OBS_CONTEXT, codes.DCM.DeviceObserverUID, model.device_uid)
    yield words(HAS_OBS_CONTEXT, codes.DCM.DeviceObserverName, name)
    yield words(HAS_OBS_CONTEXT, codes.DCM.DeviceObserverManufacturer, MANUFACTURER)
    yield words(HAS_OBS_CONTEXT, codes.DCM.DeviceObserverModelName, long_string(model.name))
    yield words(HAS_OBS_CONTEXT, codes.DCM.DeviceObserverSerialNumber, model.weights_sha256)


def _procedures(header: Dataset) -> list[bytes]:
    """Return the imaging procedure's codes, else plain radiography."""
    return list(map(encoded, procedure_codes(header))) or [code_item(PLAIN_CHEST)]


def _image_library(header: Dataset) -> bytes:
    """TID 1600."""
    source = image(SOURCE, header.SOPClassUID, header.SOPInstanceUID)
    group = container(codes.DCM.ImageLibraryGroup, *_modality(header), source)
    return container(codes.DCM.ImageLibrary, group, template="1600")


def _modality(header: Dataset) -> Iterator[bytes]:
    modality = MODALITY.get(header.get("Modality", ""))
    if modality:
        yield code(HAS_ACQ_CONTEXT, codes.DCM.Modality, code_item(modality))


def _measurement_group(header: Dataset, answer: Answer, state: tuple[str, str] | None) -> bytes:
    return container(codes.DCM.MeasurementGroup, *_measurements(header, answer, state), template="1501")


def _measurements(header: Dataset, answer: Answer, state: tuple[str, str] | None) -> Iterator[bytes]:
    """TID 1501."""
    prediction, model = answer.prediction, answer.model
    finding = Code(model.finding.code, model.finding.scheme, model.finding.meaning)
    tracking = tracking_uid(header.SOPInstanceUID, model.device_uid)
    yield words(HAS_OBS_CONTEXT, codes.DCM.TrackingIdentifier, f"{finding.meaning}, whole image")
    yield uid_reference(HAS_OBS_CONTEXT, codes.DCM.TrackingUniqueIdentifier, tracking)
    if prediction.presence is Presence.PRESENT:
        yield code(CONTAINS, codes.DCM.Finding, code_item(finding))
    yield code(HAS_CONCEPT_MOD, codes.SCT.FindingSite, code_item(codes.SCT.Lung))
    yield from _algorithm(answer)
    yield _score(header, answer)
    yield code(CONTAINS, finding, code_item(ANSWER[prediction.presence]))
    yield image(codes.DCM.SourceOfMeasurement, header.SOPClassUID, header.SOPInstanceUID, state=state)
    yield words(CONTAINS, codes.DCM.Comment, summary(prediction))


def _score(header: Dataset, answer: Answer) -> bytes:
    """TID 300: the score and the region from which it is inferred.

    Viewers show a group beside the image only where a number of it has coordinates: so an abstention has a
    number without a value.
    """
    name, score = codes.DCM.CertaintyOfFinding, percent(answer.prediction)
    meaning = words(HAS_CONCEPT_MOD, codes.DCM.EquivalentMeaningOfConceptName, score_name(answer.model))
    properties = meaning, *_region(header, answer)
    if score is None:
        return missing_number(name, codes.DCM.ValueIndeterminate, *properties)
    return number(name, score, PERCENT, *properties)


def _region(header: Dataset, answer: Answer) -> Iterator[bytes]:
    """TID 320: the region that the classifier saw."""
    if "Columns" in header:
        source = image(SOURCE, header.SOPClassUID, header.SOPInstanceUID, SELECTED_FROM)
        seen = corners(answer.prediction.region, header.Columns, header.Rows)
        yield polyline(SOURCE, seen, source)


def _algorithm(answer: Answer) -> Iterator[bytes]:
    """TID 4019."""
    model = answer.model
    yield words(HAS_CONCEPT_MOD, codes.DCM.AlgorithmName, long_string(model.name))
    yield words(HAS_CONCEPT_MOD, codes.DCM.AlgorithmVersion, long_string(model.version))
    for parameter in (
        f"Threshold of the score: {100 * model.threshold:.4g} %",
        f"Calibration: {model.calibration}",
        f"Weights SHA-256: {model.weights_sha256}",
        *([f"Lung network SHA-256: {model.lungs.weights_sha256}"] if model.lungs else []),
        f"Engine: {model.engine}",
        f"Site profile: {model.site}" if model.site else NOT_FITTED,
        *(f"Preprocessing: {step}" for step in answer.steps),
    ):
        yield words(HAS_CONCEPT_MOD, codes.DCM.AlgorithmParameters, parameter)
    family = code_item(codes.DCM.ArtificialIntelligence)
    yield code(HAS_CONCEPT_MOD, codes.DCM.AlgorithmFamily, family)
