"""Decoded images as one array, each seen once through the gateway's own preprocessing."""

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

Progress = Callable[[int, int, str], None]  # done, of how many, what


def load_pixels(paths: Sequence[Path], cache: Path, progress: Progress) -> NDArray[np.uint8]:
    """Decode image files to uint8 (n, 224, 224); kept in the folder `cache` for the next time.

    Raises
    ------
    ConfigurationError
        A file is not an image; the first such file is named.
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
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's ways of saying that it is no image
        raise ConfigurationError(f"{path} is not a readable image: {error}") from error
    return np.rint(resize(grey) * 255).astype(np.uint8)
