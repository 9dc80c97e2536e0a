"""The capture around its picture: what it was made from, and how."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000, ExplicitVRLittleEndian, JPEG2000Lossless, SecondaryCaptureImageStorage

from gateway.records import GreyImage
from gateway.results.encoding import encode
from gateway.results.picture import HEIGHT, WIDTH
from gateway.results.secondary_capture import secondary_capture
from gateway.results.source_header import source_header
from tests.support.answers import UNDETERMINED, answer
from tests.support.sources import cr, dx, encoded, item

GREY = GreyImage(np.full((60, 50), 30000, np.uint16), ())


def capture_of(source: Dataset, **fields: Any) -> Dataset:
    """Return the capture as a strict reader sees it."""
    written = encode(secondary_capture(source_header(source), GREY, answer(**fields)))
    with config.strict_reading():
        read = dcmread(BytesIO(written))
        read.decode()
        str(read)
    return read


def test_it_is_a_single_rgb_picture_in_explicit_vr() -> None:
    capture = capture_of(dx())
    assert capture.SOPClassUID == SecondaryCaptureImageStorage
    assert capture.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert capture.PhotometricInterpretation == "RGB"
    assert capture.pixel_array.shape == (HEIGHT, WIDTH, 3)
    assert not {"NumberOfFrames", "PixelSpacing", "ImagerPixelSpacing"} & set(capture.dir())


def test_it_is_marked_as_derived_for_research() -> None:
    capture = capture_of(dx())
    assert capture.ContentQualification == "RESEARCH"
    assert capture.SeriesDescription == "AI RESEARCH ONLY - NOT FOR DIAGNOSTIC USE: PA 1/1, v1.2.0"
    assert capture.ConversionType == "WSD"
    assert capture.Modality == "OT"
    assert capture.ImageType == ["DERIVED", "SECONDARY"]
    assert capture.BodyPartExamined == "CHEST"
    assert capture.RecognizableVisualFeatures == "NO"
    assert "LINEAR" in capture.DerivationDescription


def test_a_long_derivation_is_cut_to_what_fits() -> None:
    assert len(capture_of(dx(), steps=("a long story",) * 200).DerivationDescription) == 1024


def test_it_names_the_software_version() -> None:
    assert capture_of(dx(), software_version="9.8.7+0123456789ab").SoftwareVersions == "9.8.7+0123456789ab"


def test_it_names_its_source() -> None:
    source = cr()
    (reference,) = capture_of(source).SourceImageSequence
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert reference.ReferencedSOPClassUID == source.SOPClassUID
    assert reference.PurposeOfReferenceCodeSequence[0].CodeValue == "121322"


def test_patient_study_and_request_are_the_sources() -> None:
    attributes = {
        "PatientName": "Yamada^Tarou=山田^太郎",
        "IssuerOfPatientID": "HOSPITAL",
        "PatientAge": "065Y",
        "StudyDescription": "Chest PA",
        "AccessionNumber": "A-77",
    }
    request = item(RequestedProcedureID="RP-5", ScheduledProcedureStepID="SPS-5")
    capture = capture_of(dx(**attributes, RequestAttributesSequence=[request]))
    assert {keyword: str(capture[keyword].value) for keyword in attributes} == attributes
    assert capture.RequestAttributesSequence[0].RequestedProcedureID == "RP-5"


@pytest.mark.parametrize(
    ("orientation", "expected"), [(["L", "F"], ["L", "F"]), (["R", "H"], ["R", "H"]), (None, "")]
)
def test_the_patients_orientation_is_kept(orientation: Any, expected: Any) -> None:
    assert capture_of(dx(PatientOrientation=orientation)).PatientOrientation == expected


@pytest.mark.parametrize(("source", "expected"), [("NO", "NO"), ("YES", "YES"), (None, "YES")])
def test_burned_in_annotation_is_yes_unless_the_source_knows_better(source: Any, expected: str) -> None:
    assert capture_of(dx(BurnedInAnnotation=source)).BurnedInAnnotation == expected


def test_lossy_compression_is_never_forgotten() -> None:
    capture = capture_of(
        cr(
            LossyImageCompression="01",
            LossyImageCompressionRatio=[8.5, 2],
            LossyImageCompressionMethod=["ISO_10918_1", "ISO_15444_1"],
        )
    )
    assert capture.LossyImageCompression == "01"
    assert capture.LossyImageCompressionRatio == [8.5, 2]
    assert capture.LossyImageCompressionMethod == ["ISO_10918_1", "ISO_15444_1"]


def test_lossy_compression_that_the_source_does_not_mention_is_told() -> None:
    source = dcmread(BytesIO(encoded(cr(), JPEG2000Lossless)))
    source.file_meta.TransferSyntaxUID = JPEG2000
    capture = capture_of(source)
    assert capture.LossyImageCompression == "01"
    assert capture.LossyImageCompressionMethod == "ISO_15444_1"
    assert capture.LossyImageCompressionRatio > 1


@pytest.mark.parametrize("transfer_syntax_uid", [ExplicitVRLittleEndian, JPEG2000Lossless])
def test_lossless_stays_lossless(transfer_syntax_uid: str) -> None:
    source = dcmread(BytesIO(encoded(cr(), transfer_syntax_uid)))
    assert "LossyImageCompression" not in capture_of(source)
    assert capture_of(dx()).LossyImageCompression == "00"


def test_an_abstention_has_a_capture_too() -> None:
    assert capture_of(dx(), prediction=UNDETERMINED).pixel_array.any()
