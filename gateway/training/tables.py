"""Reads CSV tables that describe images. `samples`, `detector_images` and `lung_masks` call it.

Every problem is one line that names the table.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Row:
    """One image of a table; `pneumonia` is 1, 0 or empty."""

    path: Path
    patient: str
    label: str
    pneumonia: str


def read_table(table: Path, folder: Path) -> list[Row]:
    """Return the rows of a table; a row without a patient has the file's name as its patient.

    Raises
    ------
    ConfigurationError
        The table is not readable, lacks a column, or names a file that is not in `folder`.
    """
    rows = [_row(line, folder) for line in _lines(table, ("file", "patient", "label", "pneumonia"))]
    missing = [row.path.name for row in rows if not row.path.is_file()]
    if missing:
        raise ConfigurationError(f"table {table} names {missing[0]}, which is not in {folder}")
    return rows


def first_column(table: Path) -> set[str]:
    """Return the values of the first column of a table; raise ConfigurationError if it is not readable."""
    return {next(iter(line.values())) for line in _lines(table, ())}


def place_of(*names: object) -> float:
    """Return a number, 0–1, by a hash of the names: the same in every run and for every order of files."""
    digest = hashlib.sha256("|".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _row(line: dict[str, str], folder: Path) -> Row:
    return Row(folder / line["file"], line["patient"] or line["file"], line["label"], line["pneumonia"])


def _lines(table: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            lines = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"table {table} cannot be read: {error}") from error
    if not lines:
        raise ConfigurationError(f"table {table} is empty")
    if missing := [column for column in columns if column not in lines[0]]:
        raise ConfigurationError(f"table {table} has no column {', '.join(missing)}")
    return lines
