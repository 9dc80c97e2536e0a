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


def check_split(samples: Iterable[Sample], tested: Iterable[Path] = ()) -> None:
    """Check that no patient and no file is in two parts, and none of the files `tested` in any.

    Raises
    ------
    ConfigurationError
        The first patient or file that is; with both files.
    """
    patients: dict[tuple[str, str], Sample] = {}
    files: dict[Path, Sample] = {}
    for sample in samples:
        first = patients.setdefault((sample.source, sample.patient), sample)
        if first.part != sample.part:
            raise ConfigurationError(
                f"patient {sample.patient} is in two parts: {first.path} ({first.part}), "
                f"{sample.path} ({sample.part})"
            )
        first = files.setdefault(sample.path.resolve(), sample)
        if first.part != sample.part:
            raise ConfigurationError(
                f"{sample.path} is in two parts: source {first.source} ({first.part}), "
                f"source {sample.source} ({sample.part})"
            )
    for path in tested:
        if found := files.get(path.resolve()):
            raise ConfigurationError(f"{path} is in the test set and in source {found.source}")


def _of_source(recipe: Recipe, source: DataSource) -> Iterator[Sample]:
    left_out = first_column(recipe.root / source.left_out) if source.left_out else set()
    for path, label, patient in _listed(recipe, source):
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
            if not found:
                raise ConfigurationError(f"{path}: the file name has no patient by {source.patient!r}")
            yield path, CLASSES.index(of), found.group(1)


def _part(seed: int, source: DataSource, patient: str) -> Part:
    """Assign a patient to a part by hash, independent of other files."""
    place = place_of(seed, source.name, patient)
    if place < source.validation:
        return "external" if source.external else "validation"
    return "heldout" if place < source.validation + source.heldout else "train"
