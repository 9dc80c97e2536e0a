"""The report's content as highdicom builds it: the reference for the bytes of `content_tree`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    CoordinatesForMeasurement,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageContentItem,
    LanguageOfContentItemAndDescendants,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from gateway.records import ModelIdentity, Presence
from gateway.results.answer import NOT_FITTED, RESEARCH_SENTENCE, Answer, percent, score_name, summary
from gateway.results.content_tree import ANSWER, ENGLISH, MODALITY, PERCENT, PLAIN_CHEST, SOURCE
from gateway.results.identity import tracking_uid
from gateway.results.modules import MANUFACTURER, code_dataset, long_string
from gateway.results.region import corners as region_corners

ENGLISH_CODE = CodedConcept(*ENGLISH[:3])


def content_tree(header: Dataset, answer: Answer) -> Dataset:
    """Return the root container of the report on one image.

    Parameters
    ----------
    header
        `SourceHeader.dataset` of the image.
    answer
        What the report says. A positive answer has a Finding; an abstention has no score.
    """
    procedures = _procedures(header)
    report = MeasurementReport(
        observation_context=ObservationContext(_observer(answer.model)),
        procedure_reported=[PLAIN_CHEST]
        * len(procedures),  # a stand-in: highdicom writes no URN without scheme
        imaging_measurements=[_measurement_group(header, answer)],
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(ENGLISH_CODE),
    )
    root = report[0]
    measurements = root.ContentSequence.pop()
    reported = (each for each in root.ContentSequence if _is(each, codes.DCM.ProcedureReported))
    for each, procedure in zip(reported, procedures, strict=True):
        each.ConceptCodeSequence = [procedure]
    root.ContentSequence.extend([_comment(RESEARCH_SENTENCE), _image_library(header), measurements])
    _separate(root)
    return root


def _observer(model: ModelIdentity) -> ObserverContext:
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=model.device_uid,
            name=f"{long_string(model.name)} {long_string(model.version)}",
            manufacturer_name=MANUFACTURER,
            model_name=long_string(model.name),
            serial_number=model.weights_sha256,
        ),
    )


def _procedures(header: Dataset) -> list[Dataset]:
    """Return the imaging procedure's codes: performed, else requested, else plain radiography."""
    requests = header.get("RequestAttributesSequence") or []
    candidates = [
        header.get("ProcedureCodeSequence"),
        header.get("RequestedProcedureCodeSequence"),
        *(request.get("RequestedProcedureCodeSequence") for request in requests),
    ]
    return list(next(filter(None, candidates), None) or [code_dataset(PLAIN_CHEST)])


def _is(item: Dataset, concept: Code) -> bool:
    return bool(item.ConceptNameCodeSequence[0].CodeValue == concept.value)


def _image_library(header: Dataset) -> ContainerContentItem:
    library = ContainerContentItem(
        codes.DCM.ImageLibrary, relationship_type=RelationshipTypeValues.CONTAINS, template_id="1600"
    )
    group = ContainerContentItem(
        codes.DCM.ImageLibraryGroup, relationship_type=RelationshipTypeValues.CONTAINS
    )
    group.ContentSequence = ContentSequence([*_modality(header), _image(header)])
    library.ContentSequence = ContentSequence([group])
    return library


def _modality(header: Dataset) -> Iterator[CodeContentItem]:
    code = MODALITY.get(header.get("Modality", ""))
    if code:
        yield CodeContentItem(codes.DCM.Modality, code, RelationshipTypeValues.HAS_ACQ_CONTEXT)


def _image(header: Dataset) -> ImageContentItem:
    return ImageContentItem(
        name=SOURCE,
        referenced_sop_class_uid=header.SOPClassUID,
        referenced_sop_instance_uid=header.SOPInstanceUID,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )


def _measurement_group(header: Dataset, answer: Answer) -> MeasurementsAndQualitativeEvaluations:
    prediction, model = answer.prediction, answer.model
    finding = Code(model.finding.code, model.finding.scheme, model.finding.meaning)
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uid=tracking_uid(header.SOPInstanceUID, model.device_uid),
            identifier=f"{finding.meaning}, whole image",
        ),
        finding_type=finding if prediction.presence is Presence.PRESENT else None,
        finding_sites=[FindingSite(codes.SCT.Lung)],
        algorithm_id=_algorithm(answer),
        measurements=[_score(header, answer)],
        qualitative_evaluations=[QualitativeEvaluation(finding, ANSWER[prediction.presence])],
        source_images=[SourceImageForMeasurementGroup(header.SOPClassUID, header.SOPInstanceUID)],
    )
    group[0].ContentSequence.append(_comment(summary(prediction)))
    return group


def _score(header: Dataset, answer: Answer) -> Measurement:
    """Return the probability of the finding: a number without a value where the model abstains."""
    score = percent(answer.prediction)
    coordinates = [_seen(header, answer)] if "Rows" in header else None
    measurement = Measurement(
        codes.DCM.CertaintyOfFinding, score or 0.0, PERCENT, referenced_coordinates=coordinates
    )
    (number,) = measurement
    if score is None:
        number.MeasuredValueSequence = []
        number.NumericValueQualifierCodeSequence = [code_dataset(codes.DCM.ValueIndeterminate)]
    name, meaning = codes.DCM.EquivalentMeaningOfConceptName, score_name(answer.model)
    modifier = TextContentItem(name, meaning, RelationshipTypeValues.HAS_CONCEPT_MOD)
    number.ContentSequence = ContentSequence([modifier, *number.get("ContentSequence", ())])
    return measurement


def _seen(header: Dataset, answer: Answer) -> CoordinatesForMeasurement:
    corners = np.array(region_corners(answer.prediction.region, header.Columns, header.Rows))
    source = SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID)
    return CoordinatesForMeasurement(GraphicTypeValues.POLYLINE, corners, source)


def _algorithm(answer: Answer) -> AlgorithmIdentification:
    model = answer.model
    return AlgorithmIdentification(
        name=long_string(model.name),
        version=long_string(model.version),
        parameters=[
            f"Threshold of the score: {100 * model.threshold:.4g} %",
            f"Calibration: {model.calibration}",
            f"Weights SHA-256: {model.weights_sha256}",
            *([f"Lung network SHA-256: {model.lungs.weights_sha256}"] if model.lungs else []),
            f"Engine: {model.engine}",
            f"Site profile: {model.site}" if model.site else NOT_FITTED,
            *(f"Preprocessing: {step}" for step in answer.steps),
        ],
        family=codes.DCM.ArtificialIntelligence,
    )


def _comment(text: str) -> TextContentItem:
    return TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS)


def _separate(item: Dataset) -> None:
    """Keep the items of every container apart: viewers print no labels in continuous content."""
    if item.ValueType == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for child in item.get("ContentSequence") or ():
        _separate(child)
