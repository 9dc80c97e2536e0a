"""Whom the images of the tests are about: names, IDs and accession numbers that no log may hold."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pydicom import dcmread

TESTS = Path(__file__).parents[1]
SAMPLES = TESTS.parent / "sample_dicoms"
KEYWORDS = ("PatientName", "PatientID", "AccessionNumber")
_IN_CODE = re.compile(rf"""({"|".join(KEYWORDS)})"?\s*[=:]\s*"([^"]+)\"""")
_TOO_SHORT = 3  # "x" is everywhere; a Japanese name is not


def identities() -> set[str]:
    """Return every one that the tests' code and the samples use, each also in the parts of a name."""
    found = {value for file in TESTS.rglob("*.py") for _, value in _IN_CODE.findall(file.read_text())}
    for file in SAMPLES.glob("*.dcm"):
        ds = dcmread(file, stop_before_pixels=True, specific_tags=[*KEYWORDS, "SpecificCharacterSet"])
        found |= {str(ds.get(keyword, "")) for keyword in KEYWORDS}
    parts = {part for value in found for part in re.split(r"[\^=]", value)}
    return {each for each in found | parts if len(each.encode()) > _TOO_SHORT} - NOT_IDENTIFYING


NOT_IDENTIFYING = {"HOSPITAL", "PHANTOM"}  # words that test folders and software versions are named with


def told(files: Iterable[Path], who: Iterable[str]) -> dict[str, list[str]]:
    """Return which of these identities each file holds; a file that holds none is left out."""
    content = {file: file.read_text(errors="replace") for file in files}
    found = {str(file): [each for each in who if each in text] for file, text in content.items()}
    return {file: held for file, held in found.items() if held}


def logs_below(folder: Path) -> list[Path]:
    """Return the logs and standard errors of gateways that ran there."""
    return [file for pattern in ("gateway*.jsonl", "stderr*") for file in folder.rglob(pattern)]
