"""What the statement says of readers' SRs is what is in them."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO

import pytest
from pydicom import Dataset, dcmread

from gateway.records import SR
from gateway.results.reader_report import ROLES, Organisation, Reading, reader_report
from tests.conformance.objects import objects
from tests.conformance.statement import TEXT, Code, Row, codes_in, literals, table

SAID_AT = datetime(2026, 5, 18, 7, 8, 9, tzinfo=UTC)
PLACES = (Organisation(), *(Organisation("St. Elsewhere", role) for role in ROLES))
WORDS = ((True, ""), (False, "No."), (None, ""))
Pairs = list[tuple[Dataset, Dataset]]
Key = tuple[int, str, str, Code]
OTHER = (
    *("SOPInstanceUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription"),
    *(
        "ContentDate",
        "ContentTime",
        "SeriesDate",
        "SeriesTime",
        "InstanceCreationDate",
        "InstanceCreationTime",
    ),
    *("PredecessorDocumentsSequence", "ContentSequence"),
)


@pytest.fixture(scope="module")
def made() -> Pairs:
    """Return each of the gateway's SRs, and each reader's SR on it."""
    return [
        (own, dcmread(BytesIO(reader_report(own, Reading("Adams^A", agrees, words, SAID_AT), place).content)))
        for number, own in enumerate(objects(SR))
        for agrees, words in WORDS
        for place in (PLACES if number < 2 else PLACES[:1])
    ]


def test_attributes_are_those_of_the_gateways_report_but_for_the_stated_ones(made: Pairs) -> None:
    for own, report in made:
        assert {each.keyword for each in report} == {each.keyword for each in own} | {
            "PredecessorDocumentsSequence"
        }
        assert [each.keyword for each in report if each.keyword not in OTHER and each != own[each.tag]] == []
        assert int(report.SeriesNumber) % 10 == 6
        assert f"Series Description `{report.SeriesDescription}`" in TEXT


def code_of(item: Dataset) -> Code:
    return item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning


def walk(node: Dataset, depth: int = 0) -> Iterator[tuple[Key, Dataset]]:
    """Yield nesting, relationship, value type and concept of each content item, and the item."""
    (concept,) = node.ConceptNameCodeSequence
    yield (depth, node.get("RelationshipType", ""), node.ValueType, code_of(concept)), node
    for child in node.get("ContentSequence", ()):
        yield from walk(child, depth + 1)


def rows() -> list[tuple[Key, Row]]:
    return [
        ((len(row["NL"]), row["Relationship"], row["VT"], codes_in(row["Concept name"])[0]), row)
        for row in table("B-3")
    ]


def test_the_content_tree_is_the_stated_one(made: Pairs) -> None:
    """Each report has the rows in their order, some repeated; only those that may be absent are."""
    stated = rows()
    seen: dict[int, int] = defaultdict(int)
    for _, report in made:
        place, places = 0, set[int]()
        for key, _ in walk(report):
            place = [each for each, _ in stated].index(key, place)
            places.add(place)
        for place in places:
            seen[place] += 1
    for place, (key, row) in enumerate(stated):
        assert seen[place], key
        assert row["Presence"] == ("ALWAYS" if seen[place] == len(made) else "ANAP"), key


def test_values_of_content_are_the_stated_ones(made: Pairs) -> None:
    found: dict[Key, set[Code]] = defaultdict(set)
    for _, report in made:
        for key, item in walk(report):
            if item.ValueType == "CODE":
                found[key] |= {code_of(code) for code in item.ConceptCodeSequence if "CodeValue" in code}
    checked = [key for key, row in rows() if codes_in(row["Value"])]
    assert len(checked) == 7
    for key, row in rows():
        if codes := codes_in(row["Value"]):
            assert found[key] == set(codes), key
    assert literals(table("B-3")[4]["Value"]) == ["delivery.reader_reports.organisation"]
