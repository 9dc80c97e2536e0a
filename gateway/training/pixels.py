"""Decodes the recipe's image files to one array, prepared as for a running model. `train` calls it.

A cache in the output folder makes the next start fast; its key is the list of files and sizes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.errors import ConfigurationError
from gateway.imaging.preprocess import to_model_input

PREPARATION = "black margins cut off, faint images raised"  # part of the cache's key

Progress = Callable[[int, int, str], None]  # done, total, activity


def load_pixels(paths: Sequence[Path], cache: Path, progress: Progress) -> NDArray[np.uint8]:
    """Return image files decoded to uint8 (n, 224, 224), read from or written to the folder `cache`.

    Raises
    ------
    ConfigurationError
        A file is not a readable image; the first such file is named.
    """
    names = "\n".join(f"{path}|{path.stat().st_size}" for path in paths)
    key = hashlib.sha256(f"{PREPARATION}\n{names}".encode()).hexdigest()
    kept = cache / f"{key[:16]}.npy"
    if kept.exists():
        return np.asarray(np.load(kept, mmap_mode="r"))
    pixels = np.empty((len(paths), 224, 224), np.uint8)
    with ThreadPoolExecutor() as pool:
        for i, image in enumerate(pool.map(_decode, paths)):
            pixels[i] = image
            progress(i + 1, len(paths), "images decoded")
    cache.mkdir(parents=True, exist_ok=True)
    np.save(kept, pixels)
    return pixels


def read_grey(path: Path) -> NDArray[np.uint8]:
    """Return a PNG or JPEG file as grey values, uint8 (rows, columns); raise ConfigurationError otherwise."""
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises any of these for unreadable images
        raise ConfigurationError(f"{path} is not a readable image: {error}") from error


def _decode(path: Path) -> NDArray[np.uint8]:
    shown: NDArray[np.uint8] = np.rint((to_model_input(read_grey(path))[0] + 1) * 127.5).astype(np.uint8)
    return shown
