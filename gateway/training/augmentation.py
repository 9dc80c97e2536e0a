"""Augments training images at random, a whole batch at once on the training device.

`objectives`, `average` and `finish` call it. Every draw comes from one generator, so a seed repeats a
training.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Generator, Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

from gateway.training.evaluation.appearance import match_spectrum, match_tones
from gateway.training.evaluation.shifts import neighbourhood
from gateway.training.recipe.stages import Augmentation

Change = Callable[[Tensor], Tensor]


class Augmenter:
    """Turns stored images into training views; every draw comes from `generator`.

    The images are uint8 (n, 224, 224); the views are float32 (n, 1, size, size), -1 to 1.
    """

    def __init__(self, ranges: Augmentation, size: int, generator: Generator) -> None:
        self._ranges = ranges
        self._size = size
        self._generator = generator
        self._device = generator.device
        self._host = Generator().manual_seed(generator.initial_seed())

    def __call__(self, images: Tensor) -> Tensor:
        """Return one random view of each image."""
        x = self._with_other_looks(images)
        x = self._photometric(_cut(x, self._grid(len(x))))
        return x.clamp(0, 1) * 2 - 1

    def with_masks(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        """Return one random view of each image, and of its mask, 0 to 1; shapes as for the images."""
        x, grid = self._with_other_looks(images), self._grid(len(images))
        views = self._photometric(_cut(x, grid)).clamp(0, 1) * 2 - 1
        return views, _cut(masks[:, None].float(), grid)

    def mix(self, views: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Blend each view and its targets, (n,) or (n, k), with another, if the recipe sets `mixup`.

        Mixup is of Zhang et al. 2018.
        """
        if self._ranges.within:
            other = self._of_one_class(targets if targets.ndim == 1 else targets[:, 0])
            share = self._share(len(views), self._ranges.within)
            share = torch.where(self._uniform(len(views)) < 0.5, share, 1)
            views, targets = _blend(views, other, share), _blend(targets, other, share)
        if not self._ranges.mixup:
            return views, targets
        share = self._share(len(views), self._ranges.mixup)
        other = torch.randperm(len(views), generator=self._generator, device=self._device)
        return _blend(views, other, share), _blend(targets, other, share)

    def _share(self, n: int, parameter: float) -> Tensor:
        """Return n draws of a symmetric beta distribution, (n,), 0 to 1."""
        gamma = torch._standard_gamma(
            torch.full((n, 2), parameter, device=self._device), generator=self._generator
        )
        return gamma[:, 0] / gamma.sum(dim=1).clamp(min=1e-6)

    def _of_one_class(self, labels: Tensor) -> Tensor:
        """Return for each image the index of a random one of its class, (n,)."""
        order = torch.randperm(len(labels), generator=self._generator, device=self._device)
        sorted_by_class = order[labels[order].argsort(stable=True)]
        own = labels.argsort(stable=True)
        other = torch.empty_like(own)
        other[own] = sorted_by_class
        return other

    def _other(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return another image for each image, and the share of its look, 0–1."""
        order = torch.randperm(len(x), generator=self._generator, device=self._device)
        beyond = self._ranges.beyond
        return x[order], self._uniform(len(x), -beyond, 1 + beyond)[:, None]

    def _with_other_looks(self, images: Tensor) -> Tensor:
        x = images[:, None].float() / 255
        x = self._sometimes(self._ranges.spectrum, x, lambda own: match_spectrum(own, *self._other(own)))
        return self._sometimes(self._ranges.tones, x, lambda own: match_tones(own, *self._other(own)))

    def _grid(self, n: int) -> Tensor:
        """Return the image coordinates of each pixel of n views."""
        grid = affine_grid(self._window(n), [n, 1, self._size, self._size], align_corners=False)
        return grid + self._displacement(grid) if self._ranges.warp else grid

    def _photometric(self, x: Tensor) -> Tensor:
        r = self._ranges
        x = self._sometimes(r.local_contrast, x, self._normalise_locally)
        x = self._sometimes(r.resolution, x, self._change_detail)
        x = x.clamp(1e-4, 1) ** self._spread(x, r.gamma).exp()
        x = (x - 0.5) * self._spread(x, r.contrast).exp() + 0.5 + self._spread(x, r.brightness)
        x = self._sometimes(r.frame, x, self._replace_margins)
        x = self._sometimes(r.cutout, x, self._blank)
        if r.noise:
            scale = r.noise * self._uniform(len(x))[:, None, None, None]
            x = x + scale * torch.randn(x.shape, generator=self._generator, device=self._device)
        return x

    def _window(self, n: int) -> Tensor:
        """Return n affine maps from view to image coordinates."""
        r = self._ranges
        angle = torch.deg2rad(self._uniform(n, -r.rotation, r.rotation))
        zoom = self._uniform(n, *r.zoom)
        stretch = self._uniform(n, -r.aspect, r.aspect).mul(0.5).exp()
        mirror = 1 - 2 * (self._uniform(n) < r.flip).float()
        free = r.shift + 0.6 * (1 - zoom).clamp(min=0)  # a smaller window may lie off the centre
        x, y = (self._uniform(n, -1, 1) * free for _ in range(2))
        cos, sin = angle.cos() * zoom, angle.sin() * zoom
        slant = self._uniform(n, -r.shear, r.shear)
        left, right = cos * stretch * mirror, sin * stretch * mirror
        rows = [left, slant * left - sin / stretch, x, right, slant * right + cos / stretch, y]
        return torch.stack(rows, dim=1).view(n, 2, 3)

    def _displacement(self, grid: Tensor) -> Tensor:
        """Return smooth displacements, one wave along each axis: other body proportions."""
        shape = (len(grid), 1, 1, 2)
        most, length, phase = (self._uniform(2 * len(grid)).view(shape) for _ in range(3))
        waves: Tensor = self._ranges.warp * most * torch.sin(torch.pi * ((0.5 + length) * grid + 2 * phase))
        return waves

    def _normalise_locally(self, x: Tensor) -> Tensor:
        """Normalise brightness and contrast by the neighbourhood, at a random scale."""
        half = int(self._size * (0.05 + 0.2 * self._number()))
        mean = neighbourhood(x, half)
        spread = (neighbourhood(x * x, half) - mean * mean).clamp(min=1e-4).sqrt()
        return (0.5 + 0.2 * (x - mean) / (spread + 0.05)).clamp(0, 1)

    def _change_detail(self, x: Tensor) -> Tensor:
        """Scale the detail that a random coarser resolution lacks: 0 blurs, above 1 sharpens."""
        small = max(8, int(self._size * (0.35 + 0.6 * self._number())))
        low = interpolate(x, size=(small, small), mode="bilinear", antialias=True)
        coarse = interpolate(low, size=x.shape[-2:], mode="bilinear")
        gain = self._uniform(len(x), 0, 1.8)[:, None, None, None]
        return (coarse + gain * (x - coarse)).clamp(0, 1)

    def _replace_margins(self, x: Tensor) -> Tensor:
        """Replace margins of up to a sixth of each side by grey, black or another image."""
        n = len(x)
        place = torch.linspace(0, 1, self._size, device=self._device)
        left, right, top, bottom = (self._uniform(n, -0.05, 0.16)[:, None] for _ in range(4))
        columns = (place > left) & (place < 1 - right)
        rows = (place > top) & (place < 1 - bottom)
        inside = (rows[:, None, :, None] & columns[:, None, None, :]).float()
        kind = self._uniform(n)[:, None, None, None]
        level = (self._uniform(n)[:, None, None, None] * (kind > 0.4)).expand_as(x)
        outside = torch.where(kind > 0.7, x.flip(0), level)
        return inside * x + (1 - inside) * outside

    def _blank(self, x: Tensor) -> Tensor:
        """Replace one rectangle, a tenth to a third of the side, by a grey value."""
        n = len(x)
        place = torch.arange(self._size, device=self._device)[None]
        hidden = []
        for _ in range(2):
            length = self._uniform(n, 0.1, 0.33)[:, None] * self._size
            start = self._uniform(n)[:, None] * (self._size - length)
            hidden.append((place >= start) & (place < start + length))
        rectangle = (hidden[0][:, None, :, None] & hidden[1][:, None, None, :]).float()
        return x * (1 - rectangle) + rectangle * self._uniform(n)[:, None, None, None]

    def _sometimes(self, probability: float, x: Tensor, change: Change) -> Tensor:
        if not probability:
            return x
        chosen = (self._uniform(len(x)) < probability)[:, None, None, None]
        return torch.where(chosen, change(x), x)

    def _spread(self, x: Tensor, most: float) -> Tensor:
        return self._uniform(len(x), -most, most)[:, None, None, None]

    def _uniform(self, n: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=self._generator, device=self._device)

    def _number(self) -> float:
        """One draw for the whole batch, where each size needs its own kernel."""
        return float(torch.rand((), generator=self._host))


def _blend(x: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Return the share of each row of `x`, and the rest of the row `other`."""
    share = share.view(-1, *[1] * (x.ndim - 1))
    return share * x + (1 - share) * x[other]


def _cut(x: Tensor, grid: Tensor) -> Tensor:
    return grid_sample(x, grid, padding_mode="zeros", align_corners=False)
