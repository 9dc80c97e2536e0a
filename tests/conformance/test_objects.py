"""What the statement says of the gateway's objects is what is in them."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement

from gateway.records import ENCAPSULATED_PDF, PRESENTATION_STATE, SC, SR
from tests.conformance.objects import COPIED_CODES, objects
from tests.conformance.statement import Code, Row, captions, codes_in, literals, plain, table

Path = tuple[str, ...]  # tags, from the outermost sequence to the attribute

KINDS = (SR, SC, PRESENTATION_STATE, ENCAPSULATED_PDF)
OF_ALL = ["A-1", "A-2", "A-3", "A-4", "A-5"]
TABLES = {
    SR: [*OF_ALL, "A-6", "A-7"],
    SC: [*OF_ALL, "A-8", "A-9", "A-10"],
    PRESENTATION_STATE: [*OF_ALL, "A-11", "A-12", "A-13"],
    ENCAPSULATED_PDF: [*OF_ALL, "A-14"],
}
NOT_IN_STATES = ("(0008,0023)", "(0008,0033)", "(0018,9004)", "(0018,A002)")
"""Content Date and Time, Content Qualification, Contribution DateTime: A.4 says so."""
BY_STATUS = {
    frozenset({"value"}): "ALWAYS",
    frozenset({"empty"}): "EMPTY",
    frozenset({"value", "empty"}): "VNAP",
    frozenset({"value", "absent"}): "ANAP",
}


@pytest.fixture(scope="module")
def encoded() -> dict[str, list[Dataset]]:
    return {kind: objects(kind) for kind in KINDS}


# --- attributes


def stated(kind: str) -> dict[Path, Row]:
    """Return the rows of an object's tables by path."""
    rows: dict[Path, Row] = {}
    for number in TABLES[kind]:
        path: Path = ()
        for row in table(number):
            depth = row["Attribute"].count(">")
            path = (*path[:depth], row["Tag"])
            rows[path] = row
    left_out = NOT_IN_STATES if kind == PRESENTATION_STATE else ()
    return {path: row for path, row in rows.items() if path[-1] not in left_out}


def elements(items: list[Dataset], path: Path = ()) -> Iterator[tuple[Path, list[DataElement | None]]]:
    """Yield what each attribute is in all items of one kind, and so on within sequences."""
    for tag in sorted({element.tag for item in items for element in item}):
        name = (*path, f"({tag.group:04X},{tag.elem:04X})")
        found = [item.get(tag) for item in items]
        yield name, found
        sequences = [element for element in found if element is not None and element.VR == "SQ"]
        if sequences and sequences[0].keyword != "ContentSequence":
            yield from elements([item for sequence in sequences for item in sequence.value], name)


def presence(found: list[DataElement | None]) -> str:
    statuses = {"absent" if each is None else "empty" if each.is_empty else "value" for each in found}
    return BY_STATUS[frozenset(statuses)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_attribute_is_stated_with_its_presence(kind: str, encoded: dict[str, list[Dataset]]) -> None:
    really = {path: presence(found) for path, found in elements(encoded[kind])}
    assert really == {path: row["Presence"] for path, row in stated(kind).items()}


@pytest.mark.parametrize("kind", KINDS)
def test_fixed_values_are_the_stated_ones(kind: str, encoded: dict[str, list[Dataset]]) -> None:
    rows = stated(kind)
    for path, found in elements(encoded[kind]):
        allowed = literals(rows[path]["Value"])
        if rows[path]["Source"] == "FIXED" and allowed:
            assert {value for each in found if each is not None for value in values(each)} <= set(allowed), (
                path
            )


def values(element: DataElement) -> list[str]:
    return [str(each) for each in element.value] if element.VM > 1 else [str(element.value)]


@pytest.mark.parametrize("kind", KINDS)
def test_names_and_value_representations_are_the_dictionarys(
    kind: str, encoded: dict[str, list[Dataset]]
) -> None:
    rows = stated(kind)
    for path, found in elements(encoded[kind]):
        element = next(each for each in found if each is not None)
        assert rows[path]["Attribute"].strip("> ") == dictionary_description(element.tag)
        assert rows[path]["VR"] == element.VR
        assert element.VR in dictionary_VR(element.tag)
        assert not element.tag.is_private
        assert tag_for_keyword(element.keyword) == element.tag


def test_all_tables_of_objects_are_compared() -> None:
    assert {number for number in captions() if number.startswith("A-")} == {
        number for numbers in TABLES.values() for number in numbers
    }


# --- content


def code_of(item: Dataset) -> Code:
    return item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning


def walk(node: Dataset, depth: int = 0) -> Iterator[tuple[tuple[int, str, str, Code], Dataset]]:
    """Yield nesting, relationship, value type and concept of each content item, and the item."""
    (concept,) = node.ConceptNameCodeSequence
    yield (depth, node.get("RelationshipType", ""), node.ValueType, code_of(concept)), node
    for child in node.get("ContentSequence", ()):
        yield from walk(child, depth + 1)


def content_rows() -> list[tuple[tuple[int, str, str, Code], Row]]:
    return [
        ((len(row["NL"]), row["Relationship"], row["VT"], codes_in(row["Concept name"])[0]), row)
        for row in table("B-2")
    ]


def test_the_content_tree_is_the_stated_one(encoded: dict[str, list[Dataset]]) -> None:
    """Each report has the rows in their order, some repeated; only those that may be absent are."""
    rows = content_rows()
    seen: dict[int, int] = defaultdict(int)
    for report in encoded[SR]:
        places = list(places_of([key for key, _ in walk(report)], [key for key, _ in rows]))
        for place in set(places):
            seen[place] += 1
    for place, (key, row) in enumerate(rows):
        always = seen[place] == len(encoded[SR])
        assert row["Presence"] == ("ALWAYS" if always else "ANAP"), key
        assert seen[place], key


def places_of(items: list[object], rows: list[object]) -> Iterator[int]:
    """Yield the row of each item; they never go back."""
    place = 0
    for item in items:
        place = rows.index(item, place)
        yield place


def test_values_of_content_are_the_stated_ones(encoded: dict[str, list[Dataset]]) -> None:
    values_of: dict[object, set[str]] = defaultdict(set)
    codes_of: dict[object, set[Code]] = defaultdict(set)
    for report in encoded[SR]:
        for key, item in walk(report):
            if item.ValueType == "CODE":
                codes_of[key] |= {code_of(code) for code in item.ConceptCodeSequence if "CodeValue" in code}
            elif item.ValueType == "TEXT":
                values_of[key].add(item.TextValue)
            elif item.ValueType == "NUM":
                units = [value.MeasurementUnitsCodeSequence[0] for value in item.MeasuredValueSequence]
                reasons = item.get("NumericValueQualifierCodeSequence", ())
                codes_of[key] |= {code_of(code) for code in (*units, *reasons)}
    for key, row in content_rows():
        if codes := codes_in(row["Value"]):
            assert codes_of[key] == set(codes), key
        if texts := literals(row["Value"]):
            assert values_of[key] == set(texts), key


def test_the_list_of_codes_is_complete(encoded: dict[str, list[Dataset]]) -> None:
    used = {code for kind in KINDS for each in encoded[kind] for code in codes_of(each)}
    assert [codes_in(row["Code"]) for row in table("E-1")] == [[code] for code in sorted(used, key=by_scheme)]


def by_scheme(code: Code) -> tuple[str, str]:
    return code[1], code[0]


def codes_of(ds: Dataset) -> Iterator[Code]:
    """Yield every code that is not copied from the image."""
    for element in ds:
        if element.VR == "SQ" and element.keyword not in COPIED_CODES:
            for item in element.value:
                if "CodeValue" in item:
                    yield code_of(item)
                yield from codes_of(item)


def test_named_templates(encoded: dict[str, list[Dataset]]) -> None:
    named = {
        item.ContentTemplateSequence[0].TemplateIdentifier
        for report in encoded[SR]
        for _, item in walk(report)
        if "ContentTemplateSequence" in item
    }
    listed = {number for row in table("B-1") for number in literals(row["Template"])}
    assert named == {"1500", "1600", "1501"} <= listed
    assert plain(table("1-2")[0]["Root template"]).startswith("TID 1500 ")
