"""Maps the bit patterns of pixel cells to stored values (PS3.5 8.1.1). `pixel_data` calls it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.image_pixel import ImagePixel
from gateway.imaging.jpeg import FrameHeader

Cells = NDArray[np.uint8] | NDArray[np.uint16]
Mask = NDArray[np.bool_]
_OVERSHOOT = 0.25  # of the range of Bits Stored
_ROWS_AT_ONCE = 64  # bounds the memory that `bincount` takes for wider integers


@dataclass(frozen=True, slots=True)
class StoredValues:
    """One decoded frame.

    Attributes
    ----------
    cells
        uint8 or uint16, shape (rows, columns): pixel cells, unused bits included.
    of_pattern
        int64, shape (256,) or (65536,): stored value of each bit pattern of a cell.
    bits
        Number of bits of a stored value.
    signed
        Whether stored values are two's complement.
    step
        Coding of the frame, in words.
    """

    cells: Cells
    of_pattern: NDArray[np.int64]
    bits: int
    signed: bool
    step: str

    @property
    def lowest(self) -> int:
        """The least stored value of `bits` bits."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        """The greatest stored value of `bits` bits."""
        return self.lowest + (1 << self.bits) - 1

    def counts(self, visible: Mask | None = None) -> NDArray[np.int64]:
        """Count the pixels with each bit pattern; `visible`, shape (rows, columns), selects pixels."""
        counts = np.zeros(len(self.of_pattern), np.int64)
        for top in range(0, len(self.cells), _ROWS_AT_ONCE):
            rows = slice(top, top + _ROWS_AT_ONCE)
            cells = self.cells[rows] if visible is None else self.cells[rows][visible[rows]]
            counts += np.bincount(cells.ravel(), minlength=len(counts))
        return counts


def sign_extended(values: NDArray[np.int64], bits: int, signed: bool) -> NDArray[np.int64]:
    """Return the low `bits` of `values` as numbers (PS3.5 8.1.1); the other bits are dropped."""
    kept = values & ((1 << bits) - 1)
    return np.where(kept >> (bits - 1), kept - (1 << bits), kept) if signed else kept


def as_stored(cells: Cells, image_pixel: ImagePixel, step: str) -> StoredValues:
    """Interpret cells as written by the modality; bits outside the stored value are dropped."""
    bits, signed = image_pixel.bits_stored, image_pixel.signed
    patterns = np.arange(1 << (8 * cells.itemsize))
    of_pattern = sign_extended(patterns >> (image_pixel.high_bit + 1 - bits), bits, signed)
    if _uses_bits_above(cells, image_pixel):
        step += f"; bits above bit {image_pixel.high_bit} left out"
    return StoredValues(cells, of_pattern, bits, signed, step)


def _uses_bits_above(cells: Cells, image_pixel: ImagePixel) -> bool:
    """Tell whether bits above High Bit hold data: neither zero nor copies of the sign bit."""
    bits = image_pixel.high_bit + 1
    if not int(cells.max()) >> bits:
        return False
    patterns = np.arange(1 << (8 * cells.itemsize))
    allowed = patterns >> bits == 0
    if image_pixel.signed:
        allowed |= (patterns >> (bits - 1)) + 1 == 1 << (8 * cells.itemsize - bits + 1)
    return not all(allowed[row].all() for row in cells)


def as_coded(cells: Cells, coded: FrameHeader, image_pixel: ImagePixel, step: str) -> StoredValues:
    """Interpret cells as written by a codec: the codestream's precision and sign override the header's."""
    bits, signed = image_pixel.bits_stored, image_pixel.signed or coded.signed
    patterns = np.arange(1 << (8 * cells.itemsize))
    if coded.precision != bits:
        step += f"; coded with {coded.precision} bits"
    if signed != image_pixel.signed:
        step += "; coded signed"
    within = StoredValues(cells, sign_extended(patterns, coded.precision, signed), bits, signed, step)
    if coded.precision <= bits or not _overflows(within):
        return within
    if signed and not coded.signed and not int(cells.max()) >> bits:  # coded as if unsigned
        return replace(within, of_pattern=sign_extended(patterns, bits, signed=True))
    return replace(within, bits=coded.precision, step=f"{step}, and its values need them")


def _overflows(stored: StoredValues) -> bool:
    """Tell whether values exceed the range of Bits Stored by more than lossy coding explains."""
    seen = stored.of_pattern[stored.counts() > 0]
    margin = (stored.highest - stored.lowest) * _OVERSHOOT
    return bool(seen.min() < stored.lowest - margin or seen.max() > stored.highest + margin)
