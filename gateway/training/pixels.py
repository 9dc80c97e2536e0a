"""Decodes the recipe's image files to one array: prepared as for a running model, or as thumbnails.

`train` calls it. A cache in the output folder makes the next start fast; its key is the list of files and
sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.errors import ConfigurationError
from gateway.imaging.copies import THUMBNAIL
from gateway.imaging.preprocess import SIDE, to_model_input

Progress = Callable[[int, int, str], None]  # done, total, activity


def load_pixels(paths: Sequence[Path], cache: Path, progress: Progress) -> NDArray[np.uint8]:
    """Return image files decoded to uint8 (n, 224, 224), read from or written to the folder `cache`.

    Raises
    ------
    ConfigurationError
        A file is not a readable image; the first such file is named.
    """
    return _load(paths, _INPUT, cache, progress)


def load_thumbnails(paths: Sequence[Path], cache: Path, progress: Progress) -> NDArray[np.float32]:
    """Return whole pictures of any size, averaged to float32 (n, 28, 28), 0 to 255; see `load_pixels`."""
    return _load(paths, _THUMBNAIL, cache, progress)


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Return a PNG or JPEG file as grey values, uint8 (rows, columns); raise ConfigurationError otherwise."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises any of these for unreadable images
        raise ConfigurationError(f"{path} is not a readable image: {error}") from error


def _model_input(path: Path) -> NDArray[np.uint8]:
    shown: NDArray[np.uint8] = np.rint((to_model_input(read_grey(path))[0] + 1) * 127.5).astype(np.uint8)
    return shown


def _thumbnail(path: Path) -> NDArray[np.float32]:
    grey = Image.fromarray(read_grey(path).astype(np.float32))
    return np.asarray(grey.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX))


class _Form(NamedTuple):
    """A square picture made of a file; `words` are part of the cache's key."""

    words: str
    side: int
    type: type[np.generic]
    decode: Callable[[Path], NDArray[Any]]


_INPUT = _Form("black margins cut off, faint images raised", SIDE, np.uint8, _model_input)
_THUMBNAIL = _Form(f"whole, {THUMBNAIL} pixels", THUMBNAIL, np.float32, _thumbnail)


def _load(paths: Sequence[Path], form: _Form, cache: Path, progress: Progress) -> NDArray[Any]:
    names = "\n".join(f"{path}|{path.stat().st_size}" for path in paths)
    key = hashlib.sha256(f"{form.words}\n{names}".encode()).hexdigest()
    kept = cache / f"{key[:16]}.npy"
    if kept.exists():
        return np.asarray(np.load(kept, mmap_mode="c"))  # torch takes no read-only array
    pixels = np.empty((len(paths), form.side, form.side), form.type)
    for i, path in enumerate(paths):  # threads of one Python wait for each other longer than this takes
        pixels[i] = form.decode(path)
        progress(i + 1, len(paths), "images decoded")
    cache.mkdir(parents=True, exist_ok=True)
    np.save(kept, pixels)
    return pixels
