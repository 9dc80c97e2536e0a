"""The statement holds together: its numbering, its links, its settings, its reasons."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from gateway import __version__
from gateway.records import Reason, State
from gateway.settings import DicomDestination, Settings, StowDestination, Syslog
from tests.conformance.statement import TEXT, captions, plain, table

HEADING = re.compile(r"^(#{2,5}) (.+)$", re.MULTILINE)


def anchor(heading: str) -> str:
    """Return the name under which a Markdown page knows a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_cover_names_this_version() -> None:
    cover = dict(re.findall(r"^\| (\w+) \| (.+) \|$", TEXT.split("## 1 ")[0], re.MULTILINE))
    assert cover["Version"] == __version__
    assert date.fromisoformat(cover["Date"])


def test_the_sections_of_the_template_are_there_in_order() -> None:
    sections = [title for level, title in HEADING.findall(TEXT) if level == "##"]
    assert sections == [
        "1 Overview",
        "2 Table of contents",
        "3 Introduction",
        "4 Implementation model",
        "5 Service and interoperability description",
        "6 Configuration",
        "7 Network and media communication details",
        "8 Security",
        "Annex A Information Object Definitions",
        "Annex B Content of the Structured Report",
        "Annex C Security details",
        "Annex D Mapping of attributes",
        "Annex E Code set usage",
        "Annex F Storage SOP classes that are received",
    ]


def test_the_table_of_contents_leads_to_every_section() -> None:
    leads_to = re.findall(r"^ *- \[.+\]\(#(.+)\)$", TEXT, re.MULTILINE)
    sections = [anchor(title) for level, title in HEADING.findall(TEXT) if len(level) <= 3]
    assert leads_to == [each for each in sections if each != "2-table-of-contents"]


def test_tables_are_numbered_in_order_and_those_named_exist() -> None:
    chapters: dict[str, list[int]] = {}
    for number in captions():
        chapter, place = number.split("-")
        chapters.setdefault(chapter, []).append(int(place))
    assert all(places == list(range(1, len(places) + 1)) for places in chapters.values())
    assert set(re.findall(r"(?<!PS3\.[0-9] )Table ([A-F]?[0-9]*-[0-9]+)", TEXT)) <= set(captions())


def test_sections_that_are_named_exist() -> None:
    numbers = {title.split()[0] for _, title in HEADING.findall(TEXT)}
    assert set(re.findall(r"\(([1-8]\.[0-9](?:\.[0-9])*)\)", TEXT)) <= numbers
    assert set(re.findall(r"[Ss]ee ([1-8]\.[0-9](?:\.[0-9])*)", TEXT)) <= numbers


def test_every_reason_is_explained() -> None:
    rows = table("5-5")
    assert [plain(row["Reason"]) for row in rows if row["State"] == State.FAILED] == REASONS_OF_FAILURE
    assert sorted(plain(row["Reason"]) for row in rows) == sorted(Reason)
    assert {row["State"] for row in rows} == {State.INELIGIBLE, State.FAILED}


REASONS_OF_FAILURE = [
    "undecodable",
    "file_missing",
    "too_large",
    "no_pixels",
    "poison",
    "internal_error",
    "not_delivered",
    "not_routed",
]


def test_settings_have_the_stated_defaults() -> None:
    defaults = Settings.model_construct().model_dump(mode="json")
    for row in table("6-1"):
        assert yaml.safe_load(plain(row["Default"])) == value_at(defaults, plain(row["Parameter"])), row


def value_at(tree: Mapping[str, Any], path: str) -> Any:
    for key in path.split("."):
        tree = tree[key]
    return tree


@pytest.mark.parametrize(
    ("number", "section"), [("6-2", DicomDestination), ("6-3", StowDestination), ("6-4", Syslog)]
)
def test_parameters_of_peers_are_all_there(number: str, section: type[BaseModel]) -> None:
    stated = {plain(row["Parameter"]): plain(row["Default"]) for row in table(number)}
    fields = {name: field for name, field in section.model_fields.items() if name != "kind"}
    assert stated.keys() == fields.keys()
    for name, field in fields.items():
        default = "required" if field.is_required() else field.default
        assert yaml.safe_load(stated[name]) == default, name


def test_no_cell_of_code_is_left_open() -> None:
    assert all(line.count("`") % 2 == 0 for line in TEXT.splitlines() if line.startswith("|"))
