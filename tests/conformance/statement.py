"""CONFORMANCE.md as tables: each stands below its caption, `**Table 7-3. Title**`."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "CONFORMANCE.md").read_text(encoding="utf-8")
Row = dict[str, str]
Code = tuple[str, str, str]  # value, coding scheme, meaning

_CAPTION = re.compile(r"^\*\*Table ([A-F]?[0-9.]*-[0-9]+)\. (.+?)\*\*$", re.MULTILINE)
_CODE = re.compile(r'\(([^,()]+), ([^,()]+), "([^"]+)"\)')
_LITERAL = re.compile(r"`([^`]+)`")


def captions() -> dict[str, str]:
    """Return the title of every table by its number."""
    return dict(_CAPTION.findall(TEXT))


def table(number: str) -> list[Row]:
    """Return the rows of a table by its number; cells by column title."""
    (caption,) = [match for match in _CAPTION.finditer(TEXT) if match[1] == number]
    lines = TEXT[caption.end() :].strip().splitlines()
    cells = [_cells(line) for line in lines[: _length(lines)]]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def literals(cell: str) -> list[str]:
    """Return what stands in `code` in a cell."""
    return _LITERAL.findall(cell)


def codes_in(cell: str) -> list[Code]:
    """Return the codes in a cell, written as PS3.16 does: (value, scheme, "meaning")."""
    return [(value, scheme, meaning) for value, scheme, meaning in _CODE.findall(cell)]


def plain(cell: str) -> str:
    """Return a cell without its backticks."""
    return cell.replace("`", "")


def _length(lines: list[str]) -> int:
    return next((number for number, line in enumerate(lines) if not line.startswith("|")), len(lines))


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
