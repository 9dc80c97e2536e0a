"""Modality and VOI look-up tables as DICOM encodes them (PS3.3 C.11.1.1.1 and C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging import header


@dataclass(frozen=True, slots=True)
class LookUpTable:
    """One item of a Modality LUT Sequence or VOI LUT Sequence.

    Attributes
    ----------
    first
        Input value that the first entry answers; lower inputs get the first entry too, and inputs
        beyond the last entry get the last.
    entries
        float64, shape (n,), 0 to 2**bits - 1.
    bits
        Bits of an entry, 1–16.
    """

    first: int
    entries: NDArray[np.float64]
    bits: int

    @property
    def highest(self) -> int:
        """The greatest value that an entry can hold."""
        return (1 << self.bits) - 1

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the entry for each of `values`, rounded to whole numbers first."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        shown: NDArray[np.float64] = self.entries[index.astype(np.intp)]
        return shown

    def __str__(self) -> str:
        return f"{len(self.entries)} entries of {self.bits} bits from {self.first}"


def first_look_up_table(ds: Dataset, keyword: str, signed: bool) -> LookUpTable | None:
    """Return the first item of the sequence `keyword`, or None where it holds no usable table.

    Parameters
    ----------
    ds
        The image.
    keyword
        `ModalityLUTSequence` or `VOILUTSequence`.
    signed
        Whether the table's input has negative values: decides how its first mapped value is read.
    """
    for item in header.items(ds, keyword)[:1]:
        descriptor = header.integers(item, "LUTDescriptor")
        if len(descriptor) == 3 and 1 <= descriptor[2] <= 16:
            return _look_up_table(item, descriptor, signed)
    return None


def _look_up_table(item: Dataset, descriptor: tuple[int, ...], signed: bool) -> LookUpTable | None:
    length = (descriptor[0] & 0xFFFF) or 0x10000
    first = descriptor[1] & 0xFFFF
    first -= 0x10000 if signed and first >= 0x8000 else 0
    entries = _entries(header.binary(item, "LUTData"), length, descriptor[2])
    if not len(entries):
        return None
    bits = max(descriptor[2], int(entries.max()).bit_length())
    return LookUpTable(first, entries.astype(np.float64), bits)


def _entries(data: bytes, length: int, bits: int) -> NDArray[np.uint16] | NDArray[np.uint8]:
    """Entries of 8 bits or fewer may be packed, two to a word."""
    if bits <= 8 and len(data) < 2 * length:
        return np.frombuffer(data, "u1")[:length]
    return np.frombuffer(data[: len(data) // 2 * 2], "<u2")[:length]
