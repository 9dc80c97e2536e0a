"""The HL7 message of an answer, read by two independent parsers."""

from base64 import b64decode
from typing import Any

import hl7
import pytest
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.parser import parse_message

from gateway.records import HL7, HL7_V2
from gateway.results.answer import RESEARCH_SENTENCE, Answer, Predecessor
from gateway.results.hl7 import MessageRules
from gateway.results.kinds import build_results
from gateway.results.result import ResultRules
from tests.support.answers import NORMAL, PNEUMONIA, UNDETERMINED, answer
from tests.support.messages import answered, message, segments
from tests.support.sources import PLAIN_CHEST_XRAY, dx, item

EARLIER = Predecessor("1.2.3", "1.2.3.1", "1.2.840.10008.5.1.4.1.1.88.34", "2.25.77")
ISSUER = item(UniversalEntityID="1.2.276.0.76", UniversalEntityIDType="ISO")
REQUEST = item(
    PlacerOrderNumberImagingServiceRequest="PL-1",
    FillerOrderNumberImagingServiceRequest="FI-2",
    AccessionNumber="A-1001",
    RequestedProcedureID="RP-3",
    ScheduledProcedureStepID="SPS-4",
)
CASES: dict[str, Any] = {
    "present": {},
    "absent": {"given": answer(NORMAL)},
    "undetermined": {"given": answer(UNDETERMINED)},
    "corrected": {"given": answer(predecessors=(EARLIER,))},
    "an order": {"source": dx(RequestAttributesSequence=[REQUEST])},
    "a procedure": {"source": dx(ProcedureCodeSequence=[item(**PLAIN_CHEST_XRAY)])},
    "delimiters": {"source": dx(PatientName="A|B^C&D~E\\", PatientID="1|2^3", AccessionNumber="4~5")},
    "three groups": {"source": dx(PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう")},
    "an issuer": {"source": dx(IssuerOfPatientID="HOSPITAL", IssuerOfPatientIDQualifiersSequence=[ISSUER])},
    "nearly nothing": {"source": dx(PatientName=None, PatientBirthDate=None, PatientSex=None, StudyDate=None,
                                    StudyTime=None, AccessionNumber=None)},
    "Latin": {"source": dx(PatientName="Löwe^Ödön"), "character_set": "8859/1"},
    "enhanced": {"acknowledgement": "enhanced", "processing_id": "T", "receiving_application": "RIS"},
}  # fmt: skip


def codec(case: dict[str, Any]) -> str:
    return "latin-1" if case.get("character_set") == "8859/1" else "utf-8"


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_hl7apy_finds_the_message_valid(case: dict[str, Any]) -> None:
    text = message(**case).content.decode(codec(case))
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)
    assert parsed.validate()
    assert parsed.msh.message_type.to_er7() == "ORU^R01^ORU_R01"
    assert parsed.to_er7() == text.rstrip("\r")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_another_parser_reads_the_same(case: dict[str, Any]) -> None:
    built = message(**case)
    parsed, ours = hl7.parse(built.content.decode(codec(case))), segments(built, codec(case))
    assert [str(each[0]) for each in parsed] == [each[0] for each in ours]
    assert str(parsed.segment("MSH")[10]) == ours[0][10]
    assert [str(each[5]) for each in parsed.segments("OBX")] == [each[5] for each in ours if each[0] == "OBX"]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_message_is_preliminary_and_says_that_it_is_for_research(case: dict[str, Any]) -> None:
    parts = segments(message(**case), codec(case))
    (order,) = [each for each in parts if each[0] == "OBR"]
    observations = [each for each in parts if each[0] == "OBX"]
    assert order[25] == "P"
    assert {each[11] for each in observations} == {"P"}
    assert observations[0][5] == RESEARCH_SENTENCE
    assert [each[1] for each in observations] == [str(n) for n in range(1, len(observations) + 1)]
    assert {each[8] for each in observations} == {""}, "no abnormal flag"


def observations(given: Answer, **rules: Any) -> list[tuple[str, str, str]]:
    parts = segments(message(given=given, **rules))
    return [(each[2], each[3], each[5]) for each in parts if each[0] == "OBX"]


@pytest.mark.parametrize(
    ("prediction", "code", "score"),
    [
        (PNEUMONIA, "52101004^Present^SCT", "87.5"),
        (NORMAL, "272519000^Absent^SCT", "3.1"),
        (UNDETERMINED, "373068000^Undetermined^SCT", None),
    ],
)
def test_answer_and_score_are_those_of_the_report(prediction: Any, code: str, score: str | None) -> None:
    found = observations(answer(prediction))
    assert [value for kind, name, value in found if kind == "CWE"] == [code]
    assert [name for kind, name, value in found if kind == "CWE"] == ["233604007^Pneumonia^SCT"]
    assert [value for kind, _, value in found if kind == "NM"] == ([score] if score else [])


def test_an_abstention_says_why() -> None:
    assert any(
        "does not look like a chest radiograph" in value for *_, value in observations(answer(UNDETERMINED))
    )


def test_a_corrected_answer_names_the_one_that_it_replaces() -> None:
    corrected = answer(predecessors=(EARLIER,))
    told = [value for kind, _, value in observations(corrected) if kind == "TX"]
    assert "Replaces the answer to the same image in SR 2.25.77." in told
    as_correction = segments(message(given=corrected, corrected_status="C"))
    assert {each[25] for each in as_correction if each[0] == "OBR"} == {"C"}
    first = segments(message(corrected_status="C"))
    assert {each[25] for each in first if each[0] == "OBR"} == {"P"}


def test_a_corrected_answer_has_the_order_and_the_sub_id_of_the_first() -> None:
    source = dx(SOPInstanceUID="1.2.1")
    first, second = (
        segments(message(source, given))
        for given in (answer(), answer(NORMAL, configuration="c1" * 32, predecessors=(EARLIER,)))
    )
    assert first[0][10] != second[0][10]
    kept = [{(each[3], each[4]) for each in those if each[0] == "OBX"} for those in (first, second)]
    assert kept[0] <= kept[1]
    assert first[2][3] == second[2][3]


def test_two_images_of_an_order_are_told_apart() -> None:
    one, two = (segments(message(dx(SOPInstanceUID=uid))) for uid in ("1.2.1", "1.2.2"))
    assert one[3][4] != two[3][4]


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Adams^John Robert Quincy^^B.A. M.Div.^Rev.^^L^A"),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう",
         "Yamada^Tarou^^^^^L^A~山田^太郎^^^^^L^I~やまだ^たろう^^^^^L^P"),
        ("=山田^太郎", "山田^太郎^^^^^L^I"),
        ("A|B^C&D~E", "A\\F\\B^C\\T\\D\\R\\E^^^^^L^A"),
        ("Back\\slash", ""),
        ("", "^^^^^^U"),
    ],
)  # fmt: skip
def test_a_name_in_the_order_of_hl7(name: str, field: str) -> None:
    patient = segments(message(dx(PatientName=name)))[1]
    if name == "Back\\slash":  # DICOM's own separator of values: the first is shortened to conform
        field = patient[5]
        assert "\\" not in field
    assert patient[5] == field


def test_a_group_that_the_character_set_lacks_is_left_out() -> None:
    latin = message(dx(PatientName="Löwe^Ada=山田^太郎"), character_set="8859/1")
    assert segments(latin, "latin-1")[1][5] == "Löwe^Ada^^^^^L^A"
    assert segments(latin, "latin-1")[0][18] == "8859/1"


def test_numbers_of_the_order() -> None:
    order = segments(message(dx(RequestAttributesSequence=[REQUEST])))[2]
    assert [order[n] for n in (2, 3, 18, 19, 20)] == ["PL-1", "FI-2", "A-1001", "RP-3", "SPS-4"]
    assert order[4] == "399208008^Plain X-ray of chest^SCT"
    assert (order[7], order[24]) == ("20250401101530", "RAD")


def test_without_a_filler_number_the_accession_number_stands_for_it() -> None:
    issuer = item(LocalNamespaceEntityID="RIS", UniversalEntityID="1.2.3", UniversalEntityIDType="ISO")
    order = segments(message(dx(IssuerOfAccessionNumberSequence=[issuer])))[2]
    assert (order[3], order[18]) == ("A-1001^RIS^1.2.3^ISO", "A-1001")
    nothing = segments(message(dx(AccessionNumber=None, StudyInstanceUID="1.2.3")))[2]
    assert (nothing[3], nothing[18]) == ("1.2.3^CXR_GATEWAY", "")


def test_several_orders_are_no_order() -> None:
    other = item(PlacerOrderNumberImagingServiceRequest="PL-9", AccessionNumber="A-9")
    both = [REQUEST, other]
    named = segments(message(dx(RequestAttributesSequence=both)))[2]
    assert (named[2], named[18]) == ("PL-1", "A-1001")
    unnamed = segments(message(dx(RequestAttributesSequence=both, AccessionNumber=None)))[2]
    assert (unnamed[2], unnamed[18]) == ("", "")


def test_the_acquisition_time_has_the_zone_of_the_image() -> None:
    source = dx(AcquisitionDate="20250402", AcquisitionTime="111213.123456", TimezoneOffsetFromUTC="+0200")
    parts = segments(message(source))
    assert parts[2][7] == "20250402111213.1234+0200"
    assert parts[0][7] == "20260517143015+0200"


def test_the_patient_id_has_its_issuer() -> None:
    qualifiers = item(UniversalEntityID="1.2.276.0.76", UniversalEntityIDType="ISO", IdentifierTypeCode="PI")
    source = dx(IssuerOfPatientID="HOSPITAL", IssuerOfPatientIDQualifiersSequence=[qualifiers])
    assert segments(message(source))[1][3] == "P-0042^^^HOSPITAL&1.2.276.0.76&ISO^PI"
    assert segments(message())[1][3] == "P-0042^^^^MR"


def test_acknowledgement_in_enhanced_mode_is_asked_for() -> None:
    enhanced = segments(message(acknowledgement="enhanced"))[0]
    assert (enhanced[15], enhanced[16]) == ("AL", "NE")
    original = segments(message())[0]
    assert (original[15], original[16]) == ("", "")


def test_the_same_answer_is_the_same_message() -> None:
    source = dx()
    one, two = message(source), message(source)
    assert (one.name, one.content) == (two.name, two.content)
    assert len(segments(one)[0][10]) == 20
    assert (one.kind, one.media_type) == (HL7, HL7_V2)


def test_a_message_is_written_only_where_it_is_asked_for() -> None:
    image = answered()
    kinds = [
        [each.kind for each in build_results(image, ResultRules(hl7=rules))]
        for rules in (None, MessageRules())
    ]
    assert kinds == [["sr", "sc"], ["sr", "sc", "hl7"]]


def test_the_page_is_the_last_observation_by_setting() -> None:
    sent = message(pdf=True)
    text = sent.content.decode()
    *_, last = segments(sent)
    assert str(hl7.parse(text).segments("OBX")[-1][5]) == last[5]
    parsed = parse_message(
        text, validation_level=VALIDATION_LEVEL.TOLERANT
    )  # hl7apy takes ED-5 for a short ST
    assert parsed.to_er7() == text.rstrip("\r")
    source, *form, content = last[5].split("^")
    assert (last[2], source, form) == ("ED", "", ["application", "pdf", "Base64"])
    assert b64decode(content, validate=True).startswith(b"%PDF-")
    assert all(each[2] != "ED" for each in segments(message()) if each[0] == "OBX")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_no_observation_takes_the_place_of_another(case: dict[str, Any]) -> None:
    """A receiver keeps one observation for each OBX-3 and OBX-4 of an order (chapter 7.4.2.4)."""
    observations = [each for each in segments(message(**case), codec(case)) if each[0] == "OBX"]
    assert len({(each[3], each[4]) for each in observations}) == len(observations)
    assert all(len(each[4]) <= 20 for each in observations)
