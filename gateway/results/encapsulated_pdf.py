"""Builds the Encapsulated PDF of an answer (PS3.3 A.45.1): one page that a clinician reads."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from gateway.records import DICOM, ENCAPSULATED_PDF
from gateway.results.answer import RESEARCH_BANNER
from gateway.results.encoding import dicom_result
from gateway.results.modules import code_dataset, shared_modules
from gateway.results.order import DIAGNOSTIC_IMAGING_STUDY
from gateway.results.page import TITLE, page_of
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules


class EncapsulatedPDFBuilder(Builder):
    """Builds the PDF of an answer, where `results.pdf` asks for it."""

    kind = ENCAPSULATED_PDF
    media_type = DICOM

    def is_wanted(self, rules: ResultRules) -> bool:
        """Tell what the setting says."""
        return rules.pdf

    def sop_class_uid(self, rules: ResultRules) -> str:  # noqa: ARG002 - the same under all rules
        """Return Encapsulated PDF Storage."""
        return EncapsulatedPDFStorage

    def alternative(self, rules: ResultRules) -> str:  # noqa: ARG002
        """Return the setting that leaves PDFs out."""
        return "results.pdf: false"

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:
        """Build the document; the same fonts always give the same bytes."""
        return dicom_result(self.kind, encapsulated_pdf(image, page_of(image, rules)))


def encapsulated_pdf(image: AnsweredImage, content: bytes) -> Dataset:
    """Return the document around `content`, a PDF file."""
    document = shared_modules(
        image.source,
        image.answer,
        ENCAPSULATED_PDF,
        EncapsulatedPDFStorage,
        modality="DOC",
        number=4,
    )
    header = image.source.dataset
    document.ConversionType = "WSD"
    document.AcquisitionDateTime = _acquired(header)
    document.BurnedInAnnotation = "YES"  # the page names the patient
    document.SourceInstanceSequence = [_reference(header)]
    document.VerificationFlag = "UNVERIFIED"
    document.DocumentTitle = f"{TITLE}. {RESEARCH_BANNER}"
    document.ConceptNameCodeSequence = [code_dataset(DIAGNOSTIC_IMAGING_STUDY)]
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document.EncapsulatedDocumentLength = len(content)  # without the padding
    document.EncapsulatedDocument = content
    return document


def _acquired(header: Dataset) -> str:
    day, time = header.get("AcquisitionDate", ""), header.get("AcquisitionTime", "")
    return f"{day}{time}" if day else ""


def _reference(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item
