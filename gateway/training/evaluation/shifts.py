"""Fixed changes of validation images, unlike training images, for the choice among models.

`validation` and `calibration` call it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad

Shift = Callable[[Tensor], Tensor]


def window(zoom_x: float, zoom_y: float, degrees: float = 0.0, x: float = 0.0, y: float = 0.0) -> Shift:
    """Return the shift: a window of so many widths and heights, turned and moved; black outside the image."""

    def shift(images: Tensor) -> Tensor:
        angle = torch.deg2rad(torch.tensor(degrees))
        cos, sin = float(angle.cos()), float(angle.sin())
        row = torch.tensor([[cos * zoom_x, -sin * zoom_y, x], [sin * zoom_x, cos * zoom_y, y]])
        theta = row.expand(len(images), 2, 3).to(images.device)
        return grid_sample(
            images, affine_grid(theta, list(images.shape), align_corners=False), align_corners=False
        )

    return shift


def gamma(exponent: float) -> Shift:
    """Return the shift: grey values raised to a power."""
    return lambda images: images**exponent


def _low_resolution(side: int) -> Shift:
    def shift(images: Tensor) -> Tensor:
        small = interpolate(images, size=(side, side), mode="bilinear", antialias=True)
        return interpolate(small, size=images.shape[-2:], mode="bilinear")

    return shift


def neighbourhood(images: Tensor, half: int) -> Tensor:
    """Return the mean over the square of 2 × `half` + 1 pixels around each pixel, within the image."""
    for size, padding in (((2 * half + 1, 1), (half, 0)), ((1, 2 * half + 1), (0, half))):
        images = avg_pool2d(images, size, stride=1, padding=padding, count_include_pad=False)
    return images


def _local_contrast(images: Tensor) -> Tensor:
    half = images.shape[-1] // 8
    mean, square = neighbourhood(images, half), neighbourhood(images * images, half)
    return (0.5 + 0.2 * (images - mean) / ((square - mean * mean).clamp(min=0).sqrt() + 0.05)).clamp(0, 1)


def _border(images: Tensor) -> Tensor:
    side = images.shape[-1]
    margin = side // 10
    inner = interpolate(images, size=(side - 2 * margin,) * 2, mode="bilinear", antialias=True)
    return pad(inner, (margin,) * 4)


def _noise(images: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return (images + 0.06 * torch.randn(images.shape, generator=generator).to(images.device)).clamp(0, 1)


SHIFTS: dict[str, Shift] = {
    "as it is": lambda images: images,
    "closer": window(0.6, 0.6),
    "wider": window(0.65, 1.0),
    "taller": window(1.0, 0.65),
    "turned": window(0.95, 0.95, degrees=12),
    "moved": window(0.9, 0.9, x=0.12, y=-0.12),
    "border": _border,
    "darker": gamma(1.7),
    "brighter": gamma(0.6),
    "local contrast": _local_contrast,
    "low resolution": _low_resolution(80),
    "noise": _noise,
}
"""Name → change of images, float (n, 1, rows, columns), 0–1."""
