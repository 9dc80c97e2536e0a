"""A report as OHIF shows it: dcmjs, the adapters of Cornerstone3D and OHIF's report extension, in Node."""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.records import Box, Lungs, Prediction
from gateway.results.encoding import encode
from gateway.results.result import SRClass
from gateway.results.source_header import source_header
from gateway.results.structured_report import SOP_CLASS, structured_report
from tests.peers.orthanc import Orthanc
from tests.support.answers import NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.missing_peer import leave_out
from tests.support.sources import dx

OHIF = Path(__file__).parent / "ohif"
SOURCE = dx()
WHOLE_IMAGE = [[0, 0, 0], [80, 0, 0], [80, 96, 0], [0, 96, 0], [0, 0, 0]]
PROBABILITY = "the model's probability of pneumonia is"
SHOWN = {
    "pneumonia": [
        f"Pneumonia present: {PROBABILITY} 87.5 %, at or above the threshold of 50 % (research only).: ",
        "Certainty of Finding: 87.50 %",
    ],
    "normal": [
        f"Pneumonia absent: {PROBABILITY} 3.1 %, below the threshold of 50 % (research only).: ",
        "Certainty of Finding: 3.10 %",
    ],
    "undetermined": [
        f"Pneumonia undetermined: the model gave no answer (research only). {UNDETERMINED.reason}: "
    ],
}
ANSWERS = {"pneumonia": PNEUMONIA, "normal": NORMAL, "undetermined": UNDETERMINED}
Show = Callable[[Path], Mapping[str, Any]]


@pytest.fixture(scope="module")
def ohif() -> Show:
    """Return what shows a report: a Part 10 file, or DICOM JSON."""
    node = shutil.which("node")
    if node is None or not (OHIF / "node_modules").is_dir():
        leave_out("OHIF's packages are missing: install Node and run make peers")

    def show(report: Path) -> Mapping[str, Any]:
        command = [node, str(OHIF / "read_report.js"), str(report)]
        read = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        assert read.returncode == 0, read.stderr[-2000:]
        return json.loads(read.stdout)

    return show


def report_of(
    given: Prediction, sr_class: SRClass = "comprehensive-3d", *, with_state: bool = False
) -> bytes:
    said = answer(given, configuration=f"{given.label} {sr_class}")  # each its own report to the PACS
    return encode(structured_report(source_header(SOURCE), said, sr_class, with_state=with_state))


def from_dicomweb(orthanc: Orthanc, report: bytes, folder: Path) -> Path:
    """Return the report as the metadata that OHIF gets from a PACS."""
    number = orthanc.upload(report)
    uids = orthanc.ask(f"instances/{number}/simplified-tags")
    names = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    study, series, instance = (uids[name] for name in names)
    address = f"dicom-web/studies/{study}/series/{series}/instances/{instance}/metadata"
    path = folder / "report.json"
    path.write_text(json.dumps(orthanc.ask(address)))
    return path


@pytest.mark.parametrize("sr_class", SOP_CLASS)
@pytest.mark.parametrize("label", ANSWERS)
def test_ohif_shows_answer_and_score_beside_the_image(
    label: str, sr_class: SRClass, ohif: Show, orthanc: Orthanc, tmp_path: Path
) -> None:
    shown = ohif(from_dicomweb(orthanc, report_of(ANSWERS[label], sr_class), tmp_path))
    assert shown["measurements"] == [{"loaded": True, "imageId": SOURCE.SOPInstanceUID}]
    (drawn,) = shown["drawn"]
    assert drawn["text"] == SHOWN[label]
    assert (drawn["graphic"], drawn["points"]) == ("POLYLINE", [WHOLE_IMAGE])


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("label", ["pneumonia", "normal"])
def test_dcmjs_reads_a_report_from_a_file(label: str, with_state: bool, ohif: Show, tmp_path: Path) -> None:
    path = tmp_path / "report.dcm"
    path.write_bytes(report_of(ANSWERS[label], with_state=with_state))
    shown = ohif(path)
    assert [each["imageId"] for each in shown["measurements"]] == [SOURCE.SOPInstanceUID]
    assert [each["text"] for each in shown["drawn"]] == [SHOWN[label]]


def test_from_a_file_ohif_demands_a_value_of_every_number(ohif: Show, tmp_path: Path) -> None:
    """It takes the empty Measured Value Sequence of an abstention, which PS3.3 C.18.1 wants, for a value."""
    path = tmp_path / "report.dcm"
    path.write_bytes(report_of(UNDETERMINED))
    with pytest.raises(AssertionError, match="Cannot destructure property 'CodeValue'"):
        ohif(path)


def test_a_report_never_becomes_measurements_of_the_reader(ohif: Show, tmp_path: Path) -> None:
    path = tmp_path / "report.dcm"
    path.write_bytes(report_of(PNEUMONIA))
    shown = ohif(path)
    assert shown["becomesMeasurements"] is False
    assert shown["asMeasurements"] == {}


def test_the_outline_is_what_the_classifier_saw(ohif: Show, tmp_path: Path) -> None:
    box = Box(0.25, 0.125, 0.75, 0.5)
    outline = ((0.3, 0.2), (0.4, 0.2), (0.4, 0.4))
    lungs = Lungs(box=box, coverage=0.2, outlines=(outline, outline), hull=outline)
    path = tmp_path / "report.dcm"
    path.write_bytes(report_of(replace(PNEUMONIA, region=lungs)))
    (drawn,) = ohif(path)["drawn"]
    assert drawn["points"] == [[[20, 12, 0], [60, 12, 0], [60, 48, 0], [20, 48, 0], [20, 12, 0]]]
