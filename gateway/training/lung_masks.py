"""Reads the images and masks of a lung recipe, and splits them by patient. `lung_training` calls it.

Every problem is reported before training begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.errors import ConfigurationError
from gateway.model.lungs import find_lungs
from gateway.records import WholeImage
from gateway.training.pixels import Progress, read_grey
from gateway.training.recipe import LungRecipe
from gateway.training.recipe.sources import DetectorSource, MaskSource
from gateway.training.samples import SUFFIXES, Once, image_files
from gateway.training.tables import labelled_rows, place_of, read_table

SIDE = 224
MOST_OF_EDGES = 0.5  # share of a mask's outermost pixels that may be white; lungs cover a tenth at most
LOOKS = 1500  # images of each folder of `looks`, at most

Kind = Literal["masks", "without lungs", "looks"]


@dataclass(frozen=True)
class MaskSet:
    """n images of a lung recipe.

    Attributes
    ----------
    images, masks
        uint8 (n, 224, 224); masks are 0 or 1, and 255 for images of the kind `looks`.
    sources, kinds
        Source and `Kind` of each image, (n,).
    apart
        bool (n,): images kept apart for figures.
    """

    images: NDArray[np.uint8]
    masks: NDArray[np.uint8]
    sources: NDArray[np.str_]
    kinds: NDArray[np.str_]
    apart: NDArray[np.bool_]


class _Listed(NamedTuple):
    image: Path
    mask: Path | None
    source: str
    kind: Kind
    apart: bool


def load_masks(recipe: LungRecipe, progress: Progress) -> MaskSet:
    """Read every image and mask of `recipe`.

    Raises
    ------
    ConfigurationError
        A folder, table, image or mask is missing or unreadable, a mask does not show two lungs or has no
        image, or an image is given twice.
    """
    listed = [
        *(each for source in recipe.masks for each in _with_masks(recipe, source)),
        *(each for source in recipe.without_lungs for each in _without_lungs(recipe, source)),
        *(each for folder in recipe.looks for each in _looks(recipe.root / folder)),
    ]
    _check(listed)
    images, masks = (np.empty((len(listed), SIDE, SIDE), np.uint8) for _ in range(2))
    for i, pair in enumerate(listed):
        images[i], masks[i] = _read(pair)
        progress(i + 1, len(listed), "images and masks read")
    return MaskSet(
        images,
        masks,
        sources=np.array([each.source for each in listed]),
        kinds=np.array([each.kind for each in listed]),
        apart=np.array([each.apart for each in listed]),
    )


def _check(listed: list[_Listed]) -> None:
    """Check that each image is given once, and that some masks are to train by, and some to measure by."""
    files = Once()
    for each in listed:
        files.take(each.image, f"{each.source} ({each.kind}{', apart' if each.apart else ''})")
    apart = {each.apart for each in listed if each.kind == "masks"}
    if apart != {True, False}:
        told = "measured on: raise" if True not in apart else "trained with: lower"
        raise ConfigurationError(f"no image with a mask is left to be {told} validation of a source of masks")


def _with_masks(recipe: LungRecipe, source: MaskSource) -> Iterator[_Listed]:
    folder = recipe.root / source.images
    table = read_table(recipe.root / source.table, folder) if source.table else []
    patients = {row.path: row.patient for row in table}
    masks = image_files(recipe.root / source.masks)
    named = [(mask, found) for mask in masks if (found := re.search(source.pattern, mask.stem))]
    if not named:
        told = f"no mask in {recipe.root / source.masks} has a name by {source.pattern!r}"
        raise ConfigurationError(f"{told}: correct the pattern of {source.name}")
    for mask, found in named:
        image = _image_of(mask, found.group(1), folder)
        place = place_of(recipe.seed, source.name, patients.get(image, image.name))
        yield _Listed(image, mask, source.name, "masks", place < source.validation)


def _image_of(mask: Path, stem: str, folder: Path) -> Path:
    for suffix in sorted(SUFFIXES):
        if (folder / f"{stem}{suffix}").is_file():
            return folder / f"{stem}{suffix}"
    raise ConfigurationError(f"mask {mask} has no image {stem} in {folder}")


def _without_lungs(recipe: LungRecipe, source: DetectorSource) -> Iterator[_Listed]:
    for row in labelled_rows(recipe.root, source):
        if row.label not in source.frontal:
            apart = place_of(recipe.seed, source.name, row.patient) < source.heldout
            yield _Listed(row.path, None, source.name, "without lungs", apart)


def _looks(folder: Path) -> Iterator[_Listed]:
    files = image_files(folder)
    for path in files[:: -(-len(files) // LOOKS)]:
        yield _Listed(path, None, folder.name, "looks", apart=False)


def _read(listed: _Listed) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    image = _square(read_grey(listed.image))
    if listed.mask is None:
        return image, np.full((SIDE, SIDE), 255 if listed.kind == "looks" else 0, np.uint8)
    mask = (_square(read_grey(listed.mask)) >= 128).astype(np.uint8)
    if doubt := _doubt(mask):
        raise ConfigurationError(
            f"mask {listed.mask} does not show two lungs side by side, white on black ({doubt}): "
            "correct the mask, or take it away"
        )
    return image, mask


def _doubt(mask: NDArray[np.uint8]) -> str | None:
    """Return why a mask, 0 or 1, is none; an inverted one may have two sides, too."""
    region = find_lungs(mask.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3)).astype(np.float32))
    if isinstance(region, WholeImage):
        return region.reason
    edges = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    return "it is white along its edges, as an inverted one" if edges.mean() > MOST_OF_EDGES else None


def _square(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if grey.shape == (SIDE, SIDE):
        return grey
    return np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
