"""Finds and reads labelled images: PNG, JPEG or DICOM, in one sub-folder for each class.

`gateway evaluate` and training call it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gateway.dicom.part_10 import read_file
from gateway.dicom.unreadable import Unreadable
from gateway.errors import ConfigurationError, Reject
from gateway.imaging.decode import decode
from gateway.imaging.png_jpeg import read_png_or_jpeg
from gateway.imaging.preprocess import to_model_input

Class = Literal["Normal", "Pneumonia"]
CLASSES: tuple[Class, Class] = ("Normal", "Pneumonia")
PICTURES = {".png", ".jpg", ".jpeg"}
KNOWN: dict[str, Class] = {
    "NORMAL": "Normal",
    "PNEUMONIA": "Pneumonia",
    "Normal/images": "Normal",
    "Viral Pneumonia/images": "Pneumonia",
    "COVID/images": "Pneumonia",
    "Normal": "Normal",
    "Pneumonia": "Pneumonia",
}
"""Recognised sub-folders: Kermany's, the Radiography Database's and the class names."""


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """An image file with its class (0 Normal, 1 Pneumonia) and its subgroup in reports."""

    path: Path
    label: int
    subgroup: str


def find_labelled(folder: Path, classes: Mapping[str, Class] | None = None) -> list[LabelledImage]:
    """List the images in the sub-folders of `folder` named in `classes` (None: `KNOWN`).

    Raises
    ------
    ConfigurationError
        A folder is missing or empty, only one class has images, or an image is in both.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"no folder {folder}")
    wanted = classes or {name: of for name, of in KNOWN.items() if _has_files(folder / name)}
    found = [image for name, of in wanted.items() for image in _in_folder(folder / name, of)]
    if len({image.label for image in found}) < 2:
        raise ConfigurationError(f"{folder} needs sub-folders of both classes, such as NORMAL and PNEUMONIA")
    _check_apart(found)
    return found


def load_input(path: Path) -> NDArray[np.float32]:
    """Return the model's input, float32 (3, 224, 224), -1 to 1, of a PNG, JPEG or DICOM file.

    Raises
    ------
    ConfigurationError
        The file is not readable as such an image.
    """
    try:
        if path.suffix.lower() in PICTURES:
            return to_model_input(read_png_or_jpeg(path.read_bytes()).pixels)
        return to_model_input(decode(read_file(path)).pixels)
    except (Reject, Unreadable) as error:
        raise ConfigurationError(f"{path} is not a readable image: {error}") from error


def subgroup_of(path: Path, of: str) -> str:
    """Return `bacterial` or `viral` by the file name (Kermany's), else the class `of`."""
    for word, kind in (("_bacteria_", "bacterial"), ("_virus_", "viral")):
        if word in path.stem:
            return kind
    return of


def _check_apart(images: Sequence[LabelledImage]) -> None:
    """Check that no file is of both classes, whether by a link or by a second name; copies are read whole."""
    sizes: dict[int, set[int]] = {}
    for image in images:
        sizes.setdefault(image.path.stat().st_size, set()).add(image.label)
    first: dict[bytes, LabelledImage] = {}
    for image in images:
        if len(sizes[image.path.stat().st_size]) == len(CLASSES):
            same = first.setdefault(hashlib.sha256(image.path.read_bytes()).digest(), image)
            if same.label != image.label:
                raise ConfigurationError(
                    f"{image.path} is the same file as {same.path} of the other class: take one away"
                )


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() for path in folder.iterdir())


def _in_folder(folder: Path, of: Class) -> list[LabelledImage]:
    if not folder.is_dir():
        raise ConfigurationError(f"no folder {folder}")
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    if not paths:
        raise ConfigurationError(f"no images in {folder}")
    return [LabelledImage(path, CLASSES.index(of), subgroup_of(path, of)) for path in paths]
