"""Decodes the recipe's image files to one array with the gateway's own resizing. `train` calls it.

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
from gateway.imaging.preprocess import resize

Progress = Callable[[int, int, str], None]  # done, total, activity


def load_pixels(paths: Sequence[Path], cache: Path, progress: Progress) -> NDArray[np.uint8]:
    """Return image files decoded to uint8 (n, 224, 224), read from or written to the folder `cache`.

    Raises
    ------
    ConfigurationError
        A file is not a readable image; the first such file is named.
    """
    key = hashlib.sha256("\n".join(f"{path}|{path.stat().st_size}" for path in paths).encode()).hexdigest()
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


def _decode(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            grey = np.asarray(image.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises any of these for unreadable images
        raise ConfigurationError(f"{path} is not a readable image: {error}") from error
    return np.rint(resize(grey) * 255).astype(np.uint8)
