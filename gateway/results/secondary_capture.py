"""Builds the Secondary Capture of an answer (PS3.3 A.8), which every viewer displays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import SecondaryCaptureImageStorage

from gateway.records import DICOM, SC, GreyImage
from gateway.results.answer import Answer
from gateway.results.compression import compress
from gateway.results.encoding import dicom_result
from gateway.results.modules import MANUFACTURER, code_dataset, local_time, shared_modules
from gateway.results.picture import picture
from gateway.results.requests import distinct
from gateway.results.result import AnsweredImage, Builder, Result, ResultRules
from gateway.results.source_header import SourceHeader

_SHORT_TEXT = 1024  # characters of an ST value


class SecondaryCaptureBuilder(Builder):
    """Builds the SC of an answer, where `results.secondary_capture` asks for it."""

    kind = SC
    media_type = DICOM

    def is_wanted(self, rules: ResultRules) -> bool:
        """Tell what the setting says."""
        return rules.secondary_capture

    def sop_class_uid(self, rules: ResultRules) -> str:  # noqa: ARG002 - the same under all rules
        """Return Secondary Capture Image Storage."""
        return SecondaryCaptureImageStorage

    def alternative(self, rules: ResultRules) -> str:  # noqa: ARG002
        """Return the setting that leaves captures out."""
        return "results.secondary_capture: false"

    def build(self, image: AnsweredImage, rules: ResultRules) -> Result:
        """Build the capture."""
        capture = secondary_capture(image.source, image.grey, image.answer, lung_outline=rules.lung_outline)
        compress(capture, rules.compression)
        return dicom_result(self.kind, capture)


def secondary_capture(
    source: SourceHeader, grey: GreyImage, answer: Answer, *, lung_outline: bool = False
) -> Dataset:
    """Return the picture of the answer as a single-frame RGB image (PS3.3 A.8.1).

    Parameters
    ----------
    source
        Header of the image, whose patient and study the capture joins.
    grey
        The radiograph to show.
    answer
        What is said about it.
    lung_outline
        Whether the lungs that the model found are outlined.
    """
    capture = shared_modules(source, answer, SC, SecondaryCaptureImageStorage, modality="OT", number=2)
    _general_image(capture, source.dataset, answer)
    _lossy_compression(capture, source.dataset)
    _secondary_capture_equipment(capture)
    _pixels(capture, picture(grey, answer, local_time(source, answer), lung_outline=lung_outline))
    return capture


def _general_image(capture: Dataset, header: Dataset, answer: Answer) -> None:
    capture.ImageType = ["DERIVED", "SECONDARY"]
    capture.PatientOrientation = header.get("PatientOrientation", "")
    capture.BodyPartExamined = "CHEST"
    capture.BurnedInAnnotation = header.get("BurnedInAnnotation") or "YES"
    capture.RecognizableVisualFeatures = "NO"
    if requests := distinct(header.get("RequestAttributesSequence") or ()):
        capture.RequestAttributesSequence = requests
    steps = "; ".join(answer.steps)
    capture.DerivationDescription = (
        f"Radiograph with the class activation map and answer of an image classifier drawn in. {steps}"
    )[:_SHORT_TEXT]
    capture.SourceImageSequence = [_source_image(header)]


def _source_image(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [code_dataset(codes.DCM.SourceImageForImageProcessingOperation)]
    return item


def _lossy_compression(capture: Dataset, header: Dataset) -> None:
    for keyword in ("LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod"):
        if header.get(keyword):
            capture[keyword] = header[keyword]


def _secondary_capture_equipment(capture: Dataset) -> None:
    capture.ConversionType = "WSD"
    capture.SecondaryCaptureDeviceManufacturer = MANUFACTURER
    capture.SecondaryCaptureDeviceManufacturerModelName = capture.ManufacturerModelName
    capture.SecondaryCaptureDeviceSoftwareVersions = capture.SoftwareVersions
    capture.DateOfSecondaryCapture = capture.ContentDate
    capture.TimeOfSecondaryCapture = capture.ContentTime


def _pixels(capture: Dataset, pixels: NDArray[np.uint8]) -> None:
    capture.Rows, capture.Columns, capture.SamplesPerPixel = pixels.shape
    capture.PhotometricInterpretation = "RGB"
    capture.PlanarConfiguration = 0
    capture.BitsAllocated = capture.BitsStored = 8
    capture.HighBit = 7
    capture.PixelRepresentation = 0
    capture.PixelData = pixels.tobytes()
    capture["PixelData"].VR = "OB"
