"""What is copied from a source that no other system would call clean."""

from io import BytesIO
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from gateway.errors import Reject
from gateway.records import Reason
from gateway.results.source_header import SourceHeader, source_header
from tests.support.sources import cr, dx, encoded, item, with_raw


def read(character_set: bytes, name: bytes) -> SourceHeader:
    return source_header(with_raw({0x00080005: ("CS", character_set), 0x00100010: ("PN", name)}))


@pytest.mark.parametrize(
    ("character_set", "name", "expected"),
    [
        (b"", b"Doe^Jane", "Doe^Jane"),
        (b"ISO_IR 100", "Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        (b"ISO_IR 192", "山田^太郎".encode(), "山田^太郎"),
        (b"ISO IR 192", "Müller^Jörg".encode(), "Müller^Jörg"),
        (b"ISO-IR 192", "Müller^Jörg".encode(), "Müller^Jörg"),
        (b"UTF-8", "Müller^Jörg".encode(), "Müller^Jörg"),
        (b"ISO_IR 126", "Διονυσιος".encode("iso8859_7"), "Διονυσιος"),
        (b"ISO_IR 127", "قباني^لنزار".encode("iso8859_6"), "قباني^لنزار"),
        (b"ISO_IR 144", "Люкceмбypг".encode("iso8859_5"), "Люкceмбypг"),
        (b"GB18030", "王^小东".encode("gb18030"), "王^小东"),
        (
            rb"\ISO 2022 IR 87",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B",
            "Yamada^Tarou=山田^太郎",
        ),
        (
            rb"\ISO 2022 IR 149",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7",
            "Hong^Gildong=洪^吉洞",
        ),
        (
            rb"\ISO 2022 IR 58",
            b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab",
            "Zhang^XiaoDong=张^小东",
        ),
        (b"ISO_IR 203", "Œuvrard^Žofie".encode("iso8859_15"), "Œuvrard^Žofie"),
        (rb"\ISO 2022 IR 203", b"X^Y=\x1b-b" + "Œ^Ž".encode("iso8859_15"), "X^Y=Œ^Ž"),
        (rb"\ISO 2022 IR 149", b"Hong^Gildong=\xfb\xf3^\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
    ],
)
def test_text_is_read_in_the_character_set_that_was_meant(
    character_set: bytes, name: bytes, expected: str
) -> None:
    assert read(character_set, name).dataset.PatientName == expected
    assert read(character_set, name).repairs == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Müller^Jörg".encode(), "Müller^Jörg"),
        ("Müller^Jörg".encode("latin-1"), "Müller^Jörg"),
        (b"O\x92Brien^Pat", "O’Brien^Pat"),
    ],
)
def test_text_without_a_usable_declaration_is_read_as_the_field_writes_it(name: bytes, expected: str) -> None:
    header = read(b"Not Supplied", name)
    assert header.dataset.PatientName == expected
    assert header.repairs == ("SpecificCharacterSet",)


def test_text_that_nothing_can_read_is_left_out() -> None:
    header = read(b"ISO_IR 192", b"M\x81\x8dller")
    assert "PatientName" not in header.dataset
    assert header.repairs == ("PatientName",)


@pytest.mark.parametrize(
    ("number", "vr", "value", "keyword"),
    [
        (0x00100040, "CS", b"X ", "PatientSex"),
        (0x00100040, "CS", b"female", "PatientSex"),
        (0x00080030, "TM", b"2510", "StudyTime"),
        (0x00080020, "DA", b"20250231", "StudyDate"),
        (0x00080020, "DA", b"01/04/25", "StudyDate"),
        (0x00100030, "DA", b"unknown ", "PatientBirthDate"),
        (0x00101010, "AS", b"57", "PatientAge"),
        (0x00101030, "DS", b"70 kg ", "PatientWeight"),
        (0x00080050, "SH", b"A" * 18, "AccessionNumber"),
        (0x00080050, "SH", b"A1\\A2 ", "AccessionNumber"),
        (0x00100020, "LO", b"P-00\r\n42", "PatientID"),
        (0x00080201, "SH", b"Berlin", "TimezoneOffsetFromUTC"),
        (0x00200020, "CS", b"L ", "PatientOrientation"),
    ],
)
def test_what_is_bad_is_left_out_and_told_by_keyword(
    number: int, vr: str, value: bytes, keyword: str
) -> None:
    header = source_header(with_raw({number: (vr, value)}))
    assert keyword not in header.dataset
    assert header.repairs == (keyword,)


@pytest.mark.parametrize(
    ("name", "kept", "told"),
    [
        (b"DOE^JOHN^^^", "DOE^JOHN^^^", False),
        (b"DOE^JOHN^^^^^", "DOE^JOHN", True),
        (b"A^B^C^D^E^F ", "A^B^C^D^E F", True),
        (b"A" * 65, "A" * 64, True),
        (b"DOE\tJOHN^X", "DOE JOHN^X", True),
        (b"DOE\\JOHN ", "DOE JOHN", True),
        (b"A^B=C=D=E ", "A^B=C=D", True),
        (b"A^B^^^^^=C^D^^^^^", "A^B=C^D", True),
        (b"\xc3\xa9" * 65, "é" * 64, True),
    ],
)
def test_a_name_that_breaks_the_rules_is_made_to_fit(name: bytes, kept: str, told: bool) -> None:
    header = read(b"ISO_IR 192", name)
    assert header.dataset.PatientName == kept
    assert header.repairs == (("PatientName",) if told else ())


@pytest.mark.parametrize(
    ("description", "kept"),
    [(b"Thorax\tp.a.\r\n", "Thorax p.a."), (b"T" * 65, "T" * 64), ("é".encode() * 65, "é" * 64)],
)
def test_a_description_that_breaks_the_rules_is_made_to_fit(description: bytes, kept: str) -> None:
    header = source_header(with_raw({0x00081030: ("LO", description)}))
    assert header.dataset.StudyDescription == kept
    assert header.repairs == ("StudyDescription",)


@pytest.mark.parametrize(
    ("number", "vr", "value", "keyword", "kept"),
    [
        (0x00080020, "DA", b"2025.04.01", "StudyDate", "20250401"),
        (0x00100030, "DA", b"1957.03.12", "PatientBirthDate", "19570312"),
        (0x00080030, "TM", b"10:15:30", "StudyTime", "101530"),
        (0x00080030, "TM", b"10:15:30.25 ", "StudyTime", "101530.25"),
        (0x00080030, "TM", b"10:15 ", "StudyTime", "1015"),
    ],
)
def test_dates_and_times_of_older_systems_are_read(
    number: int, vr: str, value: bytes, keyword: str, kept: str
) -> None:
    header = source_header(with_raw({number: (vr, value)}))
    assert header.dataset[keyword].value == kept
    assert header.repairs == ()


@pytest.mark.parametrize("value", [b"2025.04-01", b"2025.02.31", b"25.04.01"])
def test_no_date_is_guessed(value: bytes) -> None:
    assert source_header(with_raw({0x00080020: ("DA", value)})).repairs == ("StudyDate",)


def test_absent_stays_absent() -> None:
    keywords = "PatientName PatientID PatientSex PatientBirthDate StudyDate StudyTime StudyID AccessionNumber"
    header = source_header(dx(**dict.fromkeys(keywords.split())))
    assert not set(keywords.split()) & set(header.dataset.dir())
    assert header.repairs == ()


def test_values_that_pydicom_has_converted_read_the_same() -> None:
    as_read = dcmread(BytesIO(encoded(dx(PatientName="山田^太郎", PatientAge="067Y", PatientWeight="70.5"))))
    untouched = source_header(as_read)
    for element in as_read:
        assert element.value is not ...
    assert source_header(as_read) == untouched
    assert untouched.dataset.PatientWeight == 70.5


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
def test_an_image_that_nothing_can_refer_to_is_rejected(keyword: str) -> None:
    source = dx()
    del source[keyword]
    with pytest.raises(Reject, match=keyword) as rejected:
        source_header(source)
    assert rejected.value.reason is Reason.UNDECODABLE


def code(**overrides: Any) -> Dataset:
    attributes = {"CodeValue": "RPID3", "CodingSchemeDesignator": "99X", "CodeMeaning": "Chest PA"}
    return item(**(attributes | overrides))


@pytest.mark.parametrize("incomplete", [{"CodeValue": None}, {"CodeMeaning": None}, {"CodeValue": "C" * 17}])
def test_an_incomplete_code_is_dropped(incomplete: dict[str, Any]) -> None:
    whole, broken = code(), code()
    for keyword, value in incomplete.items():
        if value is None:
            del broken[keyword]
        else:
            broken[keyword] = RawDataElement(Tag(keyword), "SH", len(value), value.encode(), 0, False, True)
    header = source_header(cr(ProcedureCodeSequence=[broken, whole]))
    assert [each.CodeMeaning for each in header.dataset.ProcedureCodeSequence] == ["Chest PA"]
    assert "ProcedureCodeSequence" in header.repairs


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ({"LongCodeValue": "RPID-WITH-MORE-THAN-SIXTEEN"}, "99X"),
        ({"URNCodeValue": "urn:oid:1.2.3.4.5"}, None),
    ],
)
def test_a_long_code_and_a_urn_are_codes(value: dict[str, Any], number: str | None) -> None:
    given = item(**value, CodingSchemeDesignator=number, CodeMeaning="Chest PA")
    header = source_header(cr(ProcedureCodeSequence=[given]))
    assert list(header.dataset.ProcedureCodeSequence) == [given]
    assert header.repairs == ()


def test_a_code_keeps_its_place_though_its_meaning_is_too_long() -> None:
    long = code()
    long["CodeMeaning"] = RawDataElement(Tag("CodeMeaning"), "LO", 65, b"M" * 65, 0, False, True)
    header = source_header(cr(ProcedureCodeSequence=[long]))
    assert [each.CodeMeaning for each in header.dataset.ProcedureCodeSequence] == ["M" * 64]
    assert header.repairs == ("ProcedureCodeSequence.CodeMeaning",)


UNIVERSAL = {"UniversalEntityID": "1.2.3", "UniversalEntityIDType": "ISO"}


def test_numbers_come_with_their_issuers() -> None:
    issuer = item(LocalNamespaceEntityID="RIS", **UNIVERSAL)
    qualifiers = item(
        **UNIVERSAL,
        IdentifierTypeCode="MR",
        AssigningFacilitySequence=[item(LocalNamespaceEntityID="NORTH")],
        AssigningJurisdictionCodeSequence=[code(CodeMeaning="Canton")],
        AssigningAgencyOrDepartmentCodeSequence=[code(CodeMeaning="Admission")],
    )
    request = item(AccessionNumber="A-7", IssuerOfAccessionNumberSequence=[issuer])
    source = cr(
        IssuerOfPatientIDQualifiersSequence=[qualifiers],
        IssuerOfAccessionNumberSequence=[issuer],
        RequestAttributesSequence=[request],
    )
    copied = source_header(dcmread(BytesIO(encoded(source)))).dataset
    assert list(copied.IssuerOfPatientIDQualifiersSequence) == [qualifiers]
    assert list(copied.IssuerOfAccessionNumberSequence) == [issuer]
    assert list(copied.RequestAttributesSequence) == [request]


@pytest.mark.parametrize("half", UNIVERSAL)
def test_half_an_issuer_is_left_out_and_told(half: str) -> None:
    header = source_header(cr(IssuerOfAccessionNumberSequence=[item(**{half: UNIVERSAL[half]})]))
    assert "IssuerOfAccessionNumberSequence" not in header.dataset
    assert header.repairs == ("IssuerOfAccessionNumberSequence",)


def test_no_more_items_are_copied_than_anybody_needs() -> None:
    requests = [item(RequestedProcedureID=f"RP-{number}") for number in range(1000)]
    header = source_header(cr(RequestAttributesSequence=requests))
    assert list(header.dataset.RequestAttributesSequence) == requests[:32]
    assert header.repairs == ("RequestAttributesSequence",)


def test_a_sequence_that_cannot_be_parsed_is_left_out() -> None:
    header = source_header(with_raw({0x00081032: ("SQ", b"\xfe\xff\x00\xe0\x08\x00\x00\x00junk")}))
    assert "ProcedureCodeSequence" not in header.dataset
    assert header.repairs == ("ProcedureCodeSequence",)


def test_the_pixels_are_not_copied() -> None:
    assert "PixelData" not in source_header(dx()).dataset
