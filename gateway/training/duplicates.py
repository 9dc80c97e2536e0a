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
from gateway.training.samples import Sample


def without_copies(samples: list[Sample], cache: Path, progress: Progress) -> list[Sample]:
    """Return the samples whose picture no earlier one shows; thumbnails are kept in the folder `cache`.

    Copies may differ in compression, size, brightness and contrast.

    Raises
    ------
    ConfigurationError
        A file is not a readable image; the first such file is named.
    """
    first = _first_copies(load_thumbnails([sample.path for sample in samples], cache, progress))
    kept = [sample for sample, is_first in zip(samples, first, strict=True) if is_first]
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


def _first_copies(thumbnails: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return bool (n,): whether each thumbnail of float32 (n, side, side) is the first of its copies."""
    rows = centred(thumbnails)
    first = np.ones(len(rows), np.bool_)
    for start in range(0, len(rows), 1024):
        block = rows[start : start + 1024]
        alike = block @ rows[: start + len(block)].T >= ALIKE
        earlier = np.tril(alike, start - 1)
        first[start : start + len(block)] = ~earlier.any(axis=1)
    return first
