"""Files become data sets without a sequence that nobody asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from gateway.dicom.part_10 import MAX_IN_SEQUENCE, read_file
from gateway.dicom.unreadable import Fault, Unreadable
from gateway.errors import Reject
from gateway.worker.source_file import read_source
from tests.support.sources import dx, encoded

SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    RLELossless,
]
SAMPLES = sorted((Path(__file__).parents[3] / "sample_dicoms").glob("*.dcm"))


def coded_image(items: int = 2) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "399208008", "SCT", "Röntgen"
    ds = dx(PatientName="Yamada^Tarou=山田^太郎", ProcedureCodeSequence=[code] * items)
    ds["PixelData"].VR = "OW"
    return ds


@pytest.mark.parametrize("undefined_length", [True, False])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_file_is_read_as_pydicom_reads_it(tmp_path: Path, syntax: str, undefined_length: bool) -> None:
    path, source = tmp_path / "1.dcm", coded_image()
    source["ProcedureCodeSequence"].is_undefined_length = undefined_length
    path.write_bytes(encoded(source, syntax))
    ds, expected = read_file(path), dcmread(path)
    assert ds.file_meta == expected.file_meta
    assert ds.to_json_dict() == expected.to_json_dict()


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_the_samples_are_read_as_pydicom_reads_them(path: Path) -> None:
    ds, expected = read_file(path), dcmread(path)
    assert [element.tag for element in ds] == [element.tag for element in expected]
    assert all(ds[element.tag].value == element.value for element in expected)


@pytest.mark.parametrize("syntax", SYNTAXES[:3], ids=lambda syntax: syntax.name)
def test_a_sequence_with_more_than_a_radiograph_needs_is_no_sequence(tmp_path: Path, syntax: str) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(encoded(coded_image(MAX_IN_SEQUENCE // 4 + 1), syntax))
    assert read_file(path)["ProcedureCodeSequence"].value is None
    path.write_bytes(encoded(coded_image(MAX_IN_SEQUENCE // 4), syntax))
    assert len(read_file(path)["ProcedureCodeSequence"].value) == MAX_IN_SEQUENCE // 4


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(encoded(dx()))
    ds = read_file(path, up_to=0x0020000D)
    assert ds.StudyInstanceUID
    assert "PixelData" not in ds
    assert "Rows" not in ds


def test_a_wrong_group_length_of_the_file_does_no_harm(tmp_path: Path) -> None:
    path, content = tmp_path / "1.dcm", bytearray(encoded(dx()))
    content[140:144] = b"\xff\xff\0\0"
    path.write_bytes(content)
    assert np.array_equal(read_file(path).PixelData, dx().PixelData)


@pytest.mark.parametrize("content", [b"", b"HTML saved as .dcm", bytes(128) + b"DICN" + bytes(100)])
def test_what_is_no_file_of_dicom_is_called_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(content)
    with pytest.raises(Unreadable) as unreadable:
        read_file(path)
    assert unreadable.value.fault is Fault.NO_PREAMBLE


def test_the_worker_ends_an_image_that_cannot_be_read_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "1.dcm"
    path.write_bytes(encoded(dx())[:-10])
    with pytest.raises(Reject, match=r"ends in or after \(7FE0,0010\): 10 bytes short"):
        read_source(path)


@pytest.mark.parametrize(
    "character_set",
    [
        "ISO_IR\0192",
        "ISO_IR 192\\\0",
        "\0",
        "hex",
        "zlib",
        "rot13",
        "undefined",
        "idna",
        "x" * 5000,
        "\\" * 40,
    ],
)
def test_a_character_set_that_is_none_harms_nothing(tmp_path: Path, character_set: str) -> None:
    source = dx(PatientName="A^B", SpecificCharacterSet="ISO_IR 100")
    declared = b"\x08\0\x05\0CS" + (len(character_set) + len(character_set) % 2).to_bytes(2, "little")
    declared += character_set.encode().ljust(len(character_set) + len(character_set) % 2)
    path = tmp_path / "1.dcm"
    path.write_bytes(encoded(source).replace(b"\x08\0\x05\0CS\x0a\0ISO_IR 100", declared))
    assert declared in path.read_bytes()
    ds = read_file(path)
    assert str(ds.PatientName) == "A^B"
