"""Lists the images of a recipe's sources and splits them by patient. `train` calls it first.

Every problem is reported before training begins. A patient is in one part only.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.errors import ConfigurationError
from gateway.training.recipe import DataSource, Recipe

Part = Literal["train", "validation", "heldout"]
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


def check_split(samples: Iterable[Sample]) -> None:
    """Raise ConfigurationError where one patient is in two parts."""
    parts: dict[tuple[str, str], Sample] = {}
    for sample in samples:
        first = parts.setdefault((sample.source, sample.patient), sample)
        if first.part != sample.part:
            raise ConfigurationError(
                f"patient {sample.patient} is in two parts: {first.path} ({first.part}), "
                f"{sample.path} ({sample.part})"
            )


def _of_source(recipe: Recipe, source: DataSource) -> Iterator[Sample]:
    for folder, name in source.classes.items():
        for path in image_files(recipe.root / source.folder / folder):
            found = re.search(source.patient, path.stem)
            if not found:
                raise ConfigurationError(f"{path}: the file name has no patient by {source.patient!r}")
            patient = found.group(1)
            yield Sample(path, source.name, CLASSES.index(name), patient, _part(recipe.seed, source, patient))


def _part(seed: int, source: DataSource, patient: str) -> Part:
    """Assign a patient to a part by hash, independent of other files."""
    digest = hashlib.sha256(f"{seed}|{source.name}|{patient}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < source.validation:
        return "validation"
    return "heldout" if place < source.validation + source.heldout else "train"
