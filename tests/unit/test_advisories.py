"""The scan of dependencies: an advisory fails `make check`, an advisory service that is away does not."""

import json
from typing import Any

import pytest

from tests.advisories import NOT_SCANNED, judge

CLEAN = {"name": "pillow", "version": "13.0.0", "vulns": []}
BAD = {
    "name": "pyyaml",
    "version": "5.3",
    "vulns": [{"id": "CVE-2020-14343", "fix_versions": ["5.4"], "aliases": [], "description": ""}],
}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    "output", ["", "Traceback (most recent call last):", json.dumps({"dependencies": [UNKNOWN]})]
)
def test_where_nothing_could_be_scanned_it_says_so_and_passes(output: str) -> None:
    assert judge(output) == (NOT_SCANNED, 0)


@pytest.mark.parametrize(
    ("dependencies", "words", "status"),
    [
        ([CLEAN], "advisories: 0 against 1 packages", 0),
        ([CLEAN, UNKNOWN], "advisories: 0 against 1 packages; not known there: torch", 0),
        ([CLEAN, BAD], "pyyaml 5.3: CVE-2020-14343, mended in 5.4\nadvisories: 1 against 2 packages", 1),
    ],
)
def test_an_advisory_fails(dependencies: list[dict[str, Any]], words: str, status: int) -> None:
    assert judge(json.dumps({"dependencies": dependencies, "fixes": []})) == (words, status)
