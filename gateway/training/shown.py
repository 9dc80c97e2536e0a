"""Shows the networks of a stage the lungs of each image: their box, or their hull alone. `train` calls it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from gateway.training.crops import Cropped, Cropper
from gateway.training.recipe.stages import LungStep


class Mixed:
    """n stored images of which each draw shows a share as hulls; uint8 (n, 224, 224) both."""

    def __init__(self, boxes: Tensor, hulls: Tensor, share: float, generator: Generator) -> None:
        self._boxes, self._hulls, self._share, self._generator = boxes, hulls, share, generator

    def __getitem__(self, rows: Tensor) -> Tensor:
        """Return one picture of each of the images `rows`."""
        drawn = torch.rand(len(rows), generator=self._generator, device=self._generator.device)
        return torch.where((drawn < self._share)[:, None, None], self._hulls[rows], self._boxes[rows])


def kept_crops(crop: Cropper, step: LungStep | None, whole: NDArray[np.uint8], cache: Path) -> Cropped:
    """Return what `crop` shows of images, read from or written to the folder `cache`.

    The key is made of the pixels and of the lung network: minutes of one processor become a second.
    """
    if step is None:
        return crop(whole)
    key = hashlib.sha256(np.ascontiguousarray(whole).data)
    key.update(step.weights.read_bytes() + f"{step.margin} {step.region}".encode())
    kept = cache / f"{key.hexdigest()[:16]}.npz"
    if kept.exists():
        with np.load(kept) as found:
            return Cropped(found["pixels"], found["no_lungs"])
    cropped = crop(whole)
    cache.mkdir(parents=True, exist_ok=True)
    np.savez(kept, **cropped._asdict())
    return cropped
