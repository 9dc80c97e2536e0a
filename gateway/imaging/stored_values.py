"""What value each bit pattern of a pixel cell stands for (PS3.5 §8.1.1)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.image_pixel import ImagePixel

Cells = NDArray[np.uint8] | NDArray[np.uint16]
_OVERSHOOT = 0.25  # of the range of Bits Stored


@dataclass(frozen=True, slots=True)
class StoredValues:
    """One decoded frame.

    Attributes
    ----------
    cells
        uint8 or uint16, shape (rows, columns): the pixel cells as they are, unused bits included.
    of_pattern
        int64, shape (256,) or (65536,): the stored value that each bit pattern of a cell stands for.
    bits
        Number of bits of a stored value.
    signed
        Whether stored values are two's complement.
    step
        How the frame was coded, in words.
    """

    cells: Cells
    of_pattern: NDArray[np.int64]
    bits: int
    signed: bool
    step: str

    @property
    def lowest(self) -> int:
        """The least value that `bits` can hold."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The greatest value that `bits` can hold."""
        return self.lowest + (1 << self.bits) - 1


def sign_extended(values: NDArray[np.int64], bits: int, signed: bool) -> NDArray[np.int64]:
    """Return the low `bits` of `values` as numbers (PS3.5 §8.1.1); the other bits are dropped."""
    kept = values & ((1 << bits) - 1)
    return np.where(kept >> (bits - 1), kept - (1 << bits), kept) if signed else kept


def as_stored(cells: Cells, image_pixel: ImagePixel, step: str) -> StoredValues:
    """Read cells as the modality filled them: what lies beside the stored value is dropped."""
    bits, signed = image_pixel.bits_stored, image_pixel.signed
    patterns = np.arange(1 << (8 * cells.itemsize)) >> (image_pixel.high_bit + 1 - bits)
    return StoredValues(cells, sign_extended(patterns, bits, signed), bits, signed, step)


def as_coded(cells: Cells, precision: int, image_pixel: ImagePixel, step: str) -> StoredValues:
    """Read cells as a codec filled them: values of its own precision, which may differ from Bits Stored."""
    patterns = np.arange(1 << (8 * cells.itemsize))
    of_pattern = sign_extended(patterns, precision, image_pixel.signed)
    within = StoredValues(cells, of_pattern, image_pixel.bits_stored, image_pixel.signed, step)
    if not precision > image_pixel.bits_stored or not _overflows(within):
        return within
    if image_pixel.signed and not int(cells.max()) >> image_pixel.bits_stored:  # coded as if unsigned
        return replace(within, of_pattern=sign_extended(patterns, image_pixel.bits_stored, signed=True))
    return replace(within, bits=precision, step=f"{step}; its values need {precision} bits")


def _overflows(stored: StoredValues) -> bool:
    """Whether values lie farther outside the range of Bits Stored than lossy coding puts them."""
    counts = np.bincount(stored.cells.ravel(), minlength=len(stored.of_pattern))
    seen = stored.of_pattern[counts > 0]
    margin = (stored.highest - stored.lowest) * _OVERSHOOT
    return bool(seen.min() < stored.lowest - margin or seen.max() > stored.highest + margin)
