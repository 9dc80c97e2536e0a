"""Shows the lungs of images, as the model does. `train` and `finish` call it.

Training, figures and the running gateway find lungs and crop by the same functions (`gateway.model.lungs`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from gateway.model.lung_network import LungNetwork
from gateway.model.lungs import find_lungs, lung_input, show
from gateway.model.network import load_into
from gateway.model.weights import check_lung_shapes, decode_weights, read_bytes
from gateway.records import WholeImage
from gateway.training.recipe.stages import LungStep

BATCH = 256

Pixels = NDArray[np.uint8]  # (n, 224, 224)


class Cropped(NamedTuple):
    """n images as the classifier sees them.

    Attributes
    ----------
    pixels
        uint8 (n, 224, 224).
    no_lungs
        bool (n,): nothing like lungs was found, and the model abstains.
    """

    pixels: Pixels
    no_lungs: NDArray[np.bool_]


Cropper = Callable[[Pixels], Cropped]


def whole_images(pixels: Pixels) -> Cropped:
    """Return whole images: the `Cropper` of a model without a lung network."""
    return Cropped(pixels, np.zeros(len(pixels), np.bool_))


def cropper(step: LungStep | None, device: torch.device) -> Cropper:
    """Return the cropper of a recipe; None: `whole_images`.

    Raises
    ------
    ConfigurationError
        The file is not a lung network.
    """
    return whole_images if step is None else LungCropper(step, read_lung_network(step.weights), device)


def read_lung_network(path: Path) -> LungNetwork:
    """Return the lung network of a weights file, in evaluation mode; see `cropper`."""
    state = decode_weights(path, read_bytes(path)[0])
    check_lung_shapes(state, path)
    network = LungNetwork()
    load_into(network, state)
    return network.eval().requires_grad_(requires_grad=False)


class LungCropper:
    """Finds lungs on `device` and shows them alone; an image without a convincing mask is shown whole."""

    def __init__(self, step: LungStep, network: LungNetwork, device: torch.device) -> None:
        self._step, self._network, self._device = step, network.to(device), device

    def __call__(self, pixels: Pixels) -> Cropped:
        """Return what the classifier sees of n images, uint8 (n, 224, 224)."""
        cropped = Cropped(np.empty(pixels.shape, np.uint8), np.empty(len(pixels), np.bool_))
        for start in range(0, len(pixels), BATCH):
            part = slice(start, start + BATCH)
            cropped.pixels[part], cropped.no_lungs[part] = self._crop(pixels[part])
        return cropped

    def _crop(self, pixels: Pixels) -> Cropped:
        images = pixels[:, None].astype(np.float32) / np.float32(127.5) - np.float32(1)
        regions = [find_lungs(each, self._step.margin) for each in self._mark(images)]
        seen = show(images, regions, self._step.region).images
        no_lungs = [isinstance(region, WholeImage) and region.empty for region in regions]
        return Cropped(np.rint((seen[:, 0] + 1) * 127.5).astype(np.uint8), np.array(no_lungs, np.bool_))

    @torch.inference_mode()
    def _mark(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        grey = torch.from_numpy(lung_input(images)).to(self._device)
        return cast("NDArray[np.float32]", self._network(grey).sigmoid()[:, 0].cpu().numpy())
