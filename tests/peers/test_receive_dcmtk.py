"""DCMTK's programs as senders."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.support.receiving import Receiver, data_set_of, receiving
from tests.support.sources import cr, dx, encoded

Run = Callable[..., str]

SYNTAX_OPTIONS = {
    ImplicitVRLittleEndian: "-xi",
    ExplicitVRLittleEndian: "-xe",
    DeflatedExplicitVRLittleEndian: "-xd",
    JPEG2000Lossless: "-xv",
    JPEGLSLossless: "-xt",
    RLELossless: "-xr",
}


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    folder = tmp_path / "gateway"
    folder.mkdir()
    with receiving(folder) as running:
        yield running


@pytest.fixture
def run(dcmtk: Callable[[str], str], receiver: Receiver) -> Run:
    """Run one of DCMTK's SCUs against the receiver; return what it prints."""

    def run_program(program: str, *arguments: str, called: str = "CXR_GATEWAY") -> str:
        host, port = receiver.address
        command = [dcmtk(program), "-v", "-aet", "DCMTK", "-aec", called, *arguments[:-1], host, str(port)]
        command += arguments[-1:]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return f"exit status {finished.returncode}\n{finished.stdout}{finished.stderr}"

    return run_program


def written(folder: Path, ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> Path:
    path = folder / f"{ds.SOPInstanceUID}.dcm"
    path.write_bytes(encoded(ds, syntax))
    return path


def test_echoscu(run: Run) -> None:
    assert "Received Echo Response (Success)" in run("echoscu")


def test_echoscu_with_another_called_title(run: Run) -> None:
    said = run("echoscu", called="SOMEBODY")
    assert "exit status 0" not in said
    assert "Called AE Title Not Recognized" in said


@pytest.mark.parametrize(("syntax", "option"), SYNTAX_OPTIONS.items(), ids=lambda each: str(each))
def test_storescu(run: Run, receiver: Receiver, tmp_path: Path, syntax: str, option: str) -> None:
    source = dx()
    path = written(tmp_path, source, syntax)
    said = run("storescu", option, str(path))
    assert said.startswith("exit status 0")
    assert "Received Store Response (Success)" in said
    (row,) = receiver.rows()
    assert (row.sop_instance_uid, row.transfer_syntax_uid) == (source.SOPInstanceUID, syntax)
    (file,) = receiver.files()
    sent, kept = data_set_of(path.read_bytes()), data_set_of(file.read_bytes())
    assert len(kept) >= len(sent) - 2  # storescu may write sequences with other lengths
    assert row.size_bytes == len(kept)


def test_storescu_of_a_truncated_file(run: Run, receiver: Receiver, tmp_path: Path) -> None:
    path = tmp_path / "truncated.dcm"
    path.write_bytes(encoded(dx(Rows=200)))
    said = run("storescu", str(path))
    assert "exit status 192" in said  # 0xC0, the first half of the status
    assert "CannotUnderstand" in said
    assert receiver.rows() == []


def test_dcmsend_of_a_folder(run: Run, receiver: Receiver, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    sources = [dx(), cr(), dx(PresentationIntentType="FOR PROCESSING"), cr()]
    for source in sources:
        written(folder, source)
    said = run("dcmsend", "--scan-directories", str(folder))
    assert "* with status SUCCESS  : 4" in said
    assert {row.sop_instance_uid for row in receiver.rows()} == {each.SOPInstanceUID for each in sources}
