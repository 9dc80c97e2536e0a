"""Leaves out copies of one picture under several file names. `train` calls it before it decodes the images.

Whole pictures are compared, as they are stored. The margins that the classifier is not shown end elsewhere in
another compression of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError
from gateway.imaging.copies import ALIKE, centred
from gateway.training.pixels import Progress, load_thumbnails
from gateway.training.samples import CLASSES, Sample


def without_copies(samples: list[Sample], cache: Path, progress: Progress) -> list[Sample]:
    """Return the samples whose picture no earlier one shows; thumbnails are kept in the folder `cache`.

    Copies may differ in compression, size, brightness and contrast.

    Raises
    ------
    ConfigurationError
        A file is not a readable image, copies are of both classes, or a source consists of copies of others.
    """
    kept = []
    first_copies = _first_copies(load_thumbnails([sample.path for sample in samples], cache, progress))
    for sample, number in zip(samples, first_copies.tolist(), strict=True):
        first = samples[number]
        if first is sample:
            kept.append(sample)
        elif first.label != sample.label:
            raise ConfigurationError(
                f"{sample.path} ({CLASSES[sample.label]}) is a copy of {first.path} "
                f"({CLASSES[first.label]}): name the wrong one in left_out of its source"
            )
    if copied := sorted({sample.source for sample in samples} - {sample.source for sample in kept}):
        raise ConfigurationError(
            f"every image of source {copied[0]} is a copy of another source's: take the source away"
        )
    progress(len(kept), len(samples), "images kept after removing copies")
    return kept


def check_test_set(samples: list[Sample], tested: Sequence[Path], cache: Path, progress: Progress) -> None:
    """Check that no sample is a copy of an image of the test set; see `without_copies`.

    Raises
    ------
    ConfigurationError
        The first copy, with both files.
    """
    if not tested:
        return
    ours = centred(load_thumbnails([sample.path for sample in samples], cache, progress))
    theirs = centred(load_thumbnails(tested, cache, progress))
    for row, path in zip(theirs, tested, strict=True):
        if (alike := ours @ row).max() >= ALIKE:
            copied = samples[int(alike.argmax())]
            raise ConfigurationError(
                f"{copied.path} (source {copied.source}) is a copy of the test image {path}: name it in the "
                "source's left_out, or take the test image away"
            )


def _first_copies(thumbnails: NDArray[np.float32]) -> NDArray[np.intp]:
    """Return int (n,): the number of each picture's first copy, of a first one its own."""
    rows = centred(thumbnails)
    first = np.empty(len(rows), np.intp)
    for start in range(0, len(rows), 1024):
        block = rows[start : start + 1024]
        alike = np.tril(block @ rows[: start + len(block)].T >= ALIKE, start - 1)
        alike[:, start:] |= np.eye(len(block), dtype=np.bool_)  # also a blank picture, which is like none
        first[start : start + len(block)] = alike.argmax(axis=1)
    return first
