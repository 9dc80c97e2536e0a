"""What the statement says of the gateway's own rejection notes is what is in them."""

from datetime import UTC, datetime
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code
from pydicom.uid import EncapsulatedPDFStorage, SecondaryCaptureImageStorage

from gateway.dicom.rejection_note import TITLES
from gateway.records import SR
from gateway.results.rejected_results import SentResult, rejected_results
from tests.conformance.objects import objects
from tests.conformance.statement import Code as Stated
from tests.conformance.statement import codes_in, literals, table

MADE_AT = datetime(2026, 5, 18, 7, 8, 9, tzinfo=UTC)
OF_THE_REPORT = ("A-1", "A-2", "A-4")
BESIDES = ("ContributingEquipmentSequence", "ReferencedRequestSequence", "SpecificCharacterSet")
OWN = {
    *("SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription"),
    *("InstanceNumber", "ReferencedPerformedProcedureStepSequence", "ContentDate", "ContentTime"),
    *("SeriesDate", "SeriesTime", "InstanceCreationDate", "InstanceCreationTime", "TimezoneOffsetFromUTC"),
    *("CurrentRequestedProcedureEvidenceSequence", "ValueType", "ConceptNameCodeSequence"),
    *("ContinuityOfContent", "ContentTemplateSequence", "ContentSequence"),
}
Pairs = list[tuple[Dataset, Dataset]]


@pytest.fixture(scope="module")
def made() -> Pairs:
    """Return each of the gateway's SRs, and the note that rejects it with other results."""
    return [
        (own, note_on(own, Code(code, "DCM", title))) for own in objects(SR) for code, title in TITLES.items()
    ]


def note_on(own: Dataset, title: Code) -> Dataset:
    sent = [
        SentResult(str(own.SOPClassUID), str(own.SOPInstanceUID), is_image=False),
        SentResult(EncapsulatedPDFStorage, "1.2.3", is_image=False),
        SentResult(SecondaryCaptureImageStorage, "1.2.4", is_image=True),
    ]
    return dcmread(BytesIO(rejected_results(own, sent, title, MADE_AT).content))


def test_attributes_are_those_of_the_gateways_report_but_for_the_stated_ones(made: Pairs) -> None:
    stated = {row["Tag"] for number in OF_THE_REPORT for row in table(number)}
    for own, note in made:
        names = {each.keyword for each in note}
        copied = [own[name] for name in names - OWN]
        assert {
            f"({each.tag.group:04X},{each.tag.elem:04X})" for each in copied if each.keyword not in BESIDES
        } <= stated
        assert [each.keyword for each in copied if each != note[each.tag]] == []
        assert (note.Modality, int(note.SeriesNumber) % 10, note.InstanceNumber) == ("KO", 9, 1)
        (evidence,) = note.CurrentRequestedProcedureEvidenceSequence
        assert len(evidence.ReferencedSeriesSequence) == 3
        assert not {"CompletionFlag", "VerificationFlag", "PreliminaryFlag"} & names
        assert (
            note.ContentTemplateSequence[0].TemplateIdentifier
            == literals(table("1-2")[1]["Root template"])[0]
        )


def test_the_content_tree_is_the_stated_one(made: Pairs) -> None:
    root, *items = table("B-4")
    titles: set[Stated] = set()
    for _, note in made:
        titles.add(code_of(note))
        assert [each.ValueType for each in note.ContentSequence] == [
            "TEXT",
            "COMPOSITE",
            "COMPOSITE",
            "IMAGE",
        ]
        described = note.ContentSequence[0]
        assert [code_of(described)] == codes_in(items[0]["Concept name"])
        assert [described.TextValue] == literals(items[0]["Value"])
    assert titles == set(codes_in(root["Concept name"]))
    assert [row["VT"] for row in items] == ["TEXT", "COMPOSITE", "IMAGE"]


def code_of(item: Dataset) -> Stated:
    (concept,) = item.ConceptNameCodeSequence
    return concept.CodeValue, concept.CodingSchemeDesignator, concept.CodeMeaning
