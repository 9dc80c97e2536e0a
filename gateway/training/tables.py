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
from gateway.training.recipe.sources import DetectorSource
from gateway.yaml_files.wording import did_you_mean


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
        The table is not readable, lacks a column, names a file that is not in `folder`, or holds a value of
        `pneumonia` that is neither 1 nor 0 nor empty.
    """
    columns = ("file", "patient", "label", "pneumonia")
    return [_row(line, folder, f"table {table}, line {n}") for n, line in _lines(table, columns)]


def labelled_rows(root: Path, source: DetectorSource) -> list[Row]:
    """Return the rows of a source whose labels tell frontal chests; see `read_table`.

    Raises
    ------
    ConfigurationError
        Besides, a label of `frontal` is in no row: its chests would count as something else.
    """
    rows = read_table(root / source.table, root / source.folder)
    labels = sorted({row.label for row in rows})
    for label in source.frontal:
        if label not in labels:
            raise ConfigurationError(
                f"table {root / source.table} has no label {label!r}, which frontal of {source.name} names"
                f"{did_you_mean(label, labels) or '; there are ' + ', '.join(labels[:10])}"
            )
    return rows


def first_column(table: Path) -> set[str]:
    """Return the values of the first column of a table; raise ConfigurationError if it is not readable."""
    return {next(iter(line.values())) for _, line in _lines(table, ())}


def place_of(*names: object) -> float:
    """Return a number, 0–1, by a hash of the names: the same in every run and for every order of files."""
    digest = hashlib.sha256("|".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _row(line: dict[str, str], folder: Path, place: str) -> Row:
    """Return a line as a row; what is not 1 would otherwise be taken for normal, as 1.0 or yes."""
    if not line["file"]:
        raise ConfigurationError(f"{place}, names no file: fill in the column file, or remove the line")
    if not (folder / line["file"]).is_file():
        raise ConfigurationError(f"{place}, names {line['file']}, which is not in {folder}")
    if line["pneumonia"] not in ("", "0", "1"):
        raise ConfigurationError(f"{place}: pneumonia must be 1, 0 or empty, not {line['pneumonia']!r}")
    return Row(folder / line["file"], line["patient"] or line["file"], line["label"], line["pneumonia"])


def _lines(table: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the lines with their numbers; values without the spaces around them."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="")
            lines = [(reader.line_num, _stripped(line)) for line in reader]
    except OSError as error:
        raise ConfigurationError(f"table {table} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigurationError(f"table {table} is no CSV file in UTF-8: {error}") from error
    if not lines:
        raise ConfigurationError(f"table {table} is empty")
    if missing := [column for column in columns if column not in lines[0][1]]:
        raise ConfigurationError(f"table {table} has no column {', '.join(missing)}")
    return lines


def _stripped(line: dict[str, str]) -> dict[str, str]:
    """Return the values of named columns without the spaces around them."""
    return {name: value.strip() for name, value in line.items() if name is not None}
