"""Lists the images of a recipe's sources and splits them by patient. `train` calls it first.

Every problem is reported before training begins. A patient is in one part only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.errors import ConfigurationError
from gateway.training.recipe import Recipe
from gateway.training.recipe.sources import DataSource
from gateway.training.tables import first_column, place_of, read_table

Part = Literal["train", "validation", "heldout", "external"]
SUFFIXES = {".png", ".jpg", ".jpeg"}
CLASSES = ("Normal", "Pneumonia")


@dataclass(frozen=True, slots=True)
class Sample:
    """One image file with its source, class (0 Normal, 1 Pneumonia), patient and part of the split."""

    path: Path
    source: str
    label: int
    patient: str
    part: Part


def find_samples(recipe: Recipe) -> list[Sample]:
    """List every image of the recipe's sources, in a fixed order.

    Raises
    ------
    ConfigurationError
        A folder is missing or empty, a file name has no patient, or only one class exists.
    """
    samples = [sample for source in recipe.sources for sample in _of_source(recipe, source)]
    if len({sample.label for sample in samples}) < 2:
        raise ConfigurationError("the sources hold images of one class only: both are needed")
    return samples


def image_files(folder: Path) -> list[Path]:
    """Return the PNG and JPEG files in `folder`, sorted; raise ConfigurationError where there are none."""
    if not folder.is_dir():
        raise ConfigurationError(f"no folder {folder}")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ConfigurationError(f"no PNG or JPEG image in {folder}")
    return files


def check_split(samples: Iterable[Sample], others: Iterable[tuple[Path, str]] = ()) -> None:
    """Check that no patient is in two parts, and that each file is given once.

    Parameters
    ----------
    others
        Files that are no samples, and the place of each in words.

    Raises
    ------
    ConfigurationError
        The first patient or file that is; with both places.
    """
    patients: dict[tuple[str, str], Sample] = {}
    files = Once()
    for sample in samples:
        first = patients.setdefault((sample.source, sample.patient), sample)
        if first.part != sample.part:
            raise ConfigurationError(
                f"patient {sample.patient} is in two parts: {first.path} ({first.part}), "
                f"{sample.path} ({sample.part})"
            )
        files.take(sample.path, f"source {sample.source} ({CLASSES[sample.label]}, {sample.part})")
    for path, place in others:
        files.take(path, place)


class Once:
    """The place of each image file of a recipe: a file has one, by whichever path or link it is given."""

    def __init__(self) -> None:
        self._places: dict[Path, str] = {}

    def take(self, path: Path, place: str) -> None:
        """Note a place in words; raise ConfigurationError where the file has one."""
        first = self._places.setdefault(path.resolve(), "")
        if first:
            both = f"is in {first} twice" if first == place else f"is in {first} and in {place}"
            raise ConfigurationError(f"{path} {both}: an image has one place; take it out of the other")
        self._places[path.resolve()] = place


def _of_source(recipe: Recipe, source: DataSource) -> Iterator[Sample]:
    left_out = first_column(recipe.root / source.left_out) if source.left_out else set()
    listed = list(_listed(recipe, source))
    if left_out and left_out.isdisjoint(path.name for path, _, _ in listed):
        raise ConfigurationError(
            f"table {source.left_out} names no image of source {source.name}: its first column must hold "
            "their file names"
        )
    for path, label, patient in listed:
        if path.name not in left_out:
            yield Sample(path, source.name, label, patient, _part(recipe.seed, source, patient))


def _listed(recipe: Recipe, source: DataSource) -> Iterator[tuple[Path, int, str]]:
    """Yield path, class and patient of each labelled image of a source."""
    folder = recipe.root / source.folder
    if source.table:
        for row in read_table(recipe.root / source.table, folder):
            if row.pneumonia:
                yield row.path, int(row.pneumonia == "1"), row.patient
    for name, of in source.classes.items():
        for path in image_files(folder / name):
            found = re.search(source.patient, path.stem)
            if not found or not found.group(1):
                raise ConfigurationError(f"{path}: the file name has no patient by {source.patient!r}")
            yield path, CLASSES.index(of), found.group(1)


def _part(seed: int, source: DataSource, patient: str) -> Part:
    """Assign a patient to a part by hash, independent of other files."""
    place = place_of(seed, source.name, patient)
    if place < source.validation:
        return "external" if source.external else "validation"
    return "heldout" if place < source.validation + source.heldout else "train"
