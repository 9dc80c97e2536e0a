"""Builds the Structured Report of an answer (PS3.3 A.35)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    GrayscaleSoftcopyPresentationStateStorage,
)

from gateway.records import DICOM, PRESENTATION_STATE, SR
from gateway.results.answer import Answer, Predecessor
from gateway.results.content_tree import content_tree
from gateway.results.encoding import dicom_result
from gateway.results.identity import series_uid
from gateway.results.modules import shared_modules
from gateway.results.requests import referenced_requests
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules, SRClass
from gateway.results.source_header import SourceHeader

_STATE = GrayscaleSoftcopyPresentationStateStorage
SOP_CLASS: dict[SRClass, UID] = {
    "comprehensive-3d": Comprehensive3DSRStorage,
    "comprehensive": ComprehensiveSRStorage,
}


class StructuredReportBuilder(Builder):
    """Builds the SR of an answer: every answer has one."""

    kind = SR
    media_type = DICOM

    def sop_class_uid(self, rules: ResultRules) -> str:
        """Return the SOP class that the settings choose."""
        return SOP_CLASS[rules.sr]

    def alternative(self, rules: ResultRules) -> str:
        """Return the setting for a PACS that takes no 3D SR."""
        return "results.sr: comprehensive" if rules.sr == "comprehensive-3d" else ""

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:
        """Build the report."""
        report = structured_report(image.source, image.answer, rules.sr, with_state=rules.presentation_state)
        return dicom_result(self.kind, report)


def structured_report(
    source: SourceHeader,
    answer: Answer,
    sr_class: SRClass = "comprehensive-3d",
    *,
    with_state: bool = False,
) -> Dataset:
    """Return the report on one image (PS3.3 A.35.13 or A.35.3, PS3.16 TID 1500).

    Parameters
    ----------
    source
        Header of the image, whose patient and study the report joins.
    answer
        What it says.
    sr_class
        The same content in a Comprehensive 3D SR, or in a Comprehensive SR for a PACS that refuses 3D.
    with_state
        The report refers to the presentation state of the answer, and its evidence lists the state.
    """
    report = shared_modules(source, answer, SR, SOP_CLASS[sr_class], modality="SR", number=1)
    _document(report)
    requests = referenced_requests(source.dataset)
    if requests:
        report.ReferencedRequestSequence = requests
    evidence, state = _evidence(source.dataset), None
    report.CurrentRequestedProcedureEvidenceSequence = [evidence]
    if with_state:
        state = _STATE, answer.result_uid(source.dataset.SOPInstanceUID, PRESENTATION_STATE)
        evidence.ReferencedSeriesSequence.append(_series(series_uid(state[1]), *state))
    if answer.predecessors:
        report.PredecessorDocumentsSequence = [predecessor_item(each) for each in answer.predecessors]
    report.update(content_tree(source.dataset, answer, state))
    return report


def _document(report: Dataset) -> None:
    report.CompletionFlag = "COMPLETE"
    report.VerificationFlag = "UNVERIFIED"
    report.PreliminaryFlag = "PRELIMINARY"
    report.PerformedProcedureCodeSequence = []
    report.ReferencedPerformedProcedureStepSequence = []


def _evidence(header: Dataset) -> Dataset:
    return _reference(
        header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPClassUID, header.SOPInstanceUID
    )


def predecessor_item(earlier: Predecessor) -> Dataset:
    """Return an item of Predecessor Documents Sequence (PS3.3 C.17.2)."""
    return _reference(
        earlier.study_instance_uid,
        earlier.series_instance_uid,
        earlier.sop_class_uid,
        earlier.sop_instance_uid,
    )


def _reference(
    study_instance_uid: str, series_instance_uid: str, sop_class_uid: str, sop_instance_uid: str
) -> Dataset:
    """Return an item of the SOP Instance Reference macros (PS3.3 C.17.2.1)."""
    study = Dataset()
    study.StudyInstanceUID = study_instance_uid
    study.ReferencedSeriesSequence = [_series(series_instance_uid, sop_class_uid, sop_instance_uid)]
    return study


def _series(series_instance_uid: str, sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    instance, series = Dataset(), Dataset()
    instance.ReferencedSOPClassUID = sop_class_uid
    instance.ReferencedSOPInstanceUID = sop_instance_uid
    series.SeriesInstanceUID = series_instance_uid
    series.ReferencedSOPSequence = [instance]
    return series
