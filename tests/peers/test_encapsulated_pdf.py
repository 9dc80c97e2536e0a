"""An Encapsulated PDF is valid, and DCMTK and Orthanc give the page back."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from gateway.records import Prediction
from gateway.results.answer import summary
from tests.peers.orthanc import Orthanc
from tests.peers.test_result_validity import ANSWERS, SOURCES, assert_valid
from tests.support.answers import PNEUMONIA
from tests.support.missing_peer import leave_out
from tests.support.pdf import document_in, pdf_of, text_of
from tests.support.sources import dx, encoded

Find = Callable[[str], str]
NAMES = {
    "Müller^Jörg": ("Müller, Jörg",),
    "Διονυσιος": ("Διονυσιος",),
    "Щукин^Алексей": ("Щукин, Алексей",),
    "قباني^لنزار": ("قباني", "لنزار"),  # one after the other from the right
    "Yamada^Tarou=山田^太郎=やまだ^たろう": ("Yamada, Tarou", "山田 太郎", "やまだ たろう"),
    "Wang^XiaoDong=王^小东": ("Wang, XiaoDong", "王 小东"),
    "Hong^Gildong=洪^吉洞=홍^길동": ("Hong, Gildong", "洪 吉洞", "홍 길동"),
}
# pydicom itself warns when it reads these: that is the point of them
pytestmark = pytest.mark.filterwarnings("ignore:(Incorrect value|Unknown encoding)")


def given_back(file: bytes, folder: Path, dcm2pdf: str) -> bytes:
    """Return the document as dcm2pdf takes it out."""
    path, document = folder / "pdf.dcm", folder / "page.pdf"
    path.write_bytes(file)
    subprocess.run([dcm2pdf, str(path), str(document)], check=True, timeout=60)
    return document.read_bytes()


def poppler_text(document: bytes, folder: Path) -> str:
    """Return the words of a document; without the marks of direction that Poppler adds."""
    if shutil.which("pdftotext") is None:
        leave_out("pdftotext is missing: apt-get install poppler-utils")
    path = folder / "page.pdf"
    path.write_bytes(document)
    run = subprocess.run(["pdftotext", str(path), "-"], capture_output=True, check=True, timeout=60)
    return " ".join(run.stdout.decode().translate(dict.fromkeys((0x202A, 0x202B, 0x202C))).split())


@pytest.mark.parametrize("name", SOURCES)
def test_a_document_of_any_source_is_valid(name: str, tmp_path: Path, dicom3tools: Find) -> None:
    path = tmp_path / "pdf.dcm"
    path.write_bytes(pdf_of(dcmread(BytesIO(SOURCES[name]()))))
    assert_valid(dicom3tools, path)


@pytest.mark.parametrize("label", ANSWERS)
def test_dcm2pdf_gives_the_page_of_every_answer_back(
    label: str, tmp_path: Path, dicom3tools: Find, dcmtk: Find
) -> None:
    said: Prediction = ANSWERS[label]
    file = pdf_of(dx(), said)
    assert given_back(file, tmp_path, dcmtk("dcm2pdf")) == document_in(file)
    assert_valid(dicom3tools, tmp_path / "pdf.dcm")
    assert summary(said) in text_of(file)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_in_any_script_is_on_the_page(name: str, tmp_path: Path) -> None:
    text = poppler_text(document_in(pdf_of(dx(PatientName=name))), tmp_path)
    assert all(line in text for line in NAMES[name])
    assert "no font" not in text


def test_orthanc_keeps_the_document_in_the_study_of_its_image(orthanc: Orthanc) -> None:
    source = dx()
    orthanc.upload(encoded(source))
    file = pdf_of(source, PNEUMONIA)
    orthanc.upload(file)
    uid = dcmread(BytesIO(file)).SOPInstanceUID
    assert orthanc.find(source.StudyInstanceUID)[uid] == "DOC"
    assert orthanc.download(uid).EncapsulatedDocument == dcmread(BytesIO(file)).EncapsulatedDocument
