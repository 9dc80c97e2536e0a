"""The attributes that the statement says decide are those that the code reads."""

import ast
from pathlib import Path

from pydicom.datadict import dictionary_description, tag_for_keyword

import gateway.dicom.header
import gateway.imaging
from tests.conformance.statement import table

FOR_PEOPLE = "patient.py"  # what the pages show; it decides nothing
SOURCES = [*Path(gateway.imaging.__file__).parent.glob("*.py"), Path(gateway.dicom.header.__file__)]
WITHIN_ITEMS = {
    *("CodeValue", "LongCodeValue", "URNCodeValue", "CodeMeaning", "CodingSchemeDesignator"),
    *("LUTDescriptor", "LUTData"),
    *("DeviceUID", "PurposeOfReferenceCodeSequence"),
}


def keywords_of(source: Path) -> set[str]:
    """Return the DICOM keywords that stand in a module."""
    constants = (
        node.value for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Constant)
    )
    return {text for text in constants if isinstance(text, str) and text and tag_for_keyword(text)}


def test_attributes_that_decide() -> None:
    stated = [name for row in table("5-6") for name in row["Attribute"].split(", ")]
    read = {
        keyword for source in SOURCES if source.name != FOR_PEOPLE for keyword in keywords_of(source)
    } - WITHIN_ITEMS
    assert sorted(stated) == sorted(map(dictionary_description, read))
