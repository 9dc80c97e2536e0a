"""The documents hold together: links lead somewhere, the decisions are indexed, the README stays short."""

import re
from pathlib import Path

import pytest

from benchmarks.figure import Figure, Yardstick
from benchmarks.table import write_document

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("sample_dicoms/*.md")])
PRESENT = [path for path in DOCUMENTS if path.parent.name != "adr" and path.name != "CHANGELOG.md"]
"""Documents of the code as it is; decisions and changes name what has gone since."""
RECORDS = sorted(ROOT.glob("docs/adr/[0-9]*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
HEADING_LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)")
PATH = re.compile(r"`((?:benchmarks|config|deploy|docs|gateway|sample_dicoms|tests)/[\w./-]*)`")
LONGEST_README = 90
LARGEST_PICTURE_BYTES = 150_000


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(document: Path) -> None:
    links = LINK.findall(document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_headings(document: Path) -> None:
    links = HEADING_LINK.findall(document.read_text())
    of = {name: headings(document.parent / name if name else document) for name, _ in links}
    assert [(name, heading) for name, heading in links if heading not in of[name]] == []


def headings(document: Path) -> set[str]:
    """Return the headings of a document as GitHub links to them."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", PRESENT, ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_that_are_named_exist(document: Path) -> None:
    paths = PATH.findall(document.read_text())
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", PRESENT, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_are_named_exist(document: Path) -> None:
    names = re.findall(r"`(test_\w+)(?:\.py)?`", document.read_text())
    there = {path.stem for path in (ROOT / "tests").glob("**/test_*.py")}
    assert set(names) <= there


def test_the_readme_is_read_at_once() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= LONGEST_README


def test_pictures_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").iterdir())
    assert pictures
    assert [path for path in pictures if path.stat().st_size > LARGEST_PICTURE_BYTES] == []


def test_decisions_have_every_part() -> None:
    for record in RECORDS:
        lines = record.read_text().splitlines()
        assert lines[0].startswith(f"# {record.stem[:4]}. "), record
        assert re.fullmatch(r"- Date: \d{4}-\d\d-\d\d", lines[2]), record
        assert re.fullmatch(r"- Status: (accepted|superseded by \[\d{4}\]\(\S+\))", lines[3]), record
        headings = [line for line in lines if line.startswith("## ")]
        assert headings == ["## Context", "## Decision", "## Consequences"], record


def test_every_decision_is_in_the_index_once_with_its_date_and_status() -> None:
    index = (RECORDS[0].parent / "README.md").read_text()
    assert sorted(LINK.findall(index)) == [record.name for record in RECORDS]
    assert [row for row in map(row_of, RECORDS) if f"{row}\n" not in index] == []
    sections = [LINK.findall(section) for section in index.split("\n## ")]
    assert [names for names in sections if names != sorted(names)] == []
    assert [record.stem[:4] for record in RECORDS] == [f"{n:04d}" for n in range(1, len(RECORDS) + 1)]


def row_of(record: Path) -> str:
    title, _, date, status, *_ = record.read_text().splitlines()
    status = re.sub(r"\[(\d{4})\]\(\S+\)", r"\1", status.removeprefix("- Status: "))
    return f"| [{title.removeprefix('# ')}]({record.name}) | {date.removeprefix('- Date: ')} | {status} |"


def test_a_benchmark_replaces_the_figures_alone(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    document = tmp_path / "performance.md"
    document.write_text(text)
    figures = [Figure("decode", 28.0, "ms", Yardstick("pydicom", 89.0))]
    for machine in ("a machine", "another machine"):
        write_document(document, machine, figures)
    written = document.read_text()
    assert "| decode | 28.0 ms | pydicom | 89.0 ms | 0.31 |" in written
    assert "another machine" in written
    assert written.split("<!--")[0] == text.split("<!--")[0]
    assert written.split("-->")[2] == text.split("-->")[2]
