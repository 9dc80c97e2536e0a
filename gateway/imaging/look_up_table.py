"""Reads Modality and VOI look-up tables (PS3.3 C.11.1.1.1 and C.11.2.1.1).

`modality` and `grayscale` call it. Where LUT Descriptor and LUT Data disagree on the number of entries or
bits, LUT Data counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.dicom import header

Entries = NDArray[np.uint16] | NDArray[np.uint8]
_CLOSE = 0.1  # share of the described entries that may be missing or surplus


@dataclass(frozen=True, slots=True)
class LookUpTable:
    """One item of a Modality LUT Sequence or VOI LUT Sequence.

    Attributes
    ----------
    first
        Input value of the first entry; lower inputs map to the first entry, inputs beyond the last entry map
        to the last.
    entries
        float64, shape (n,), 0 to 2**bits - 1.
    bits
        Bits used by the entries, 1–16.
    remark
        Disagreement between descriptor and data, in words; empty where there is none.
    """

    first: int
    entries: NDArray[np.float64]
    bits: int
    remark: str = ""

    @property
    def highest(self) -> int:
        """The largest value of an entry of `bits` bits."""
        return (1 << self.bits) - 1

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the entry for each of `values`, rounded to whole numbers first."""
        index = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        shown: NDArray[np.float64] = self.entries[index.astype(np.intp)]
        return shown

    def __str__(self) -> str:
        return f"{len(self.entries)} entries of {self.bits} bits from {self.first}{self.remark}"


def first_look_up_table(ds: Dataset, keyword: str, signed: bool) -> tuple[LookUpTable | None, str]:
    """Return the first usable table of the sequence `keyword`, or None, and a remark on unusable tables.

    Parameters
    ----------
    ds
        The image.
    keyword
        `ModalityLUTSequence` or `VOILUTSequence`.
    signed
        Whether the table's input has negative values; the first mapped value is then read as signed.
    """
    problems: list[str] = []
    for item in header.items(ds, keyword):
        table = _look_up_table(item, signed)
        if isinstance(table, LookUpTable):
            return table, _passed_over(problems)
        problems.append(table)
    return None, _passed_over(problems)


def _passed_over(problems: list[str]) -> str:
    return f"; {len(problems)} unusable LUTs passed over, the first: {problems[0]}" if problems else ""


def _look_up_table(item: Dataset, signed: bool) -> LookUpTable | str:
    """Return the table in `item`, or why the table is unusable."""
    descriptor = header.integers(item, "LUTDescriptor")
    if len(descriptor) != 3 or not 1 <= descriptor[2] <= 16:
        return "its descriptor is missing or cannot be read"
    length, promised_bits = (descriptor[0] & 0xFFFF) or 0x10000, descriptor[2]
    entries = _entries(header.binary(item, "LUTData"), length, promised_bits)
    if len(entries) < (1 - _CLOSE) * length:
        return f"it has {len(entries)} of {length} entries"
    bits = max(1, int(entries.max()).bit_length())
    promised = {f"{length} entries": len(entries) == length, f"{promised_bits} bits": bits == promised_bits}
    broken = [promise for promise, kept in promised.items() if not kept]
    remark = f" (its descriptor says {' and '.join(broken)})" if broken else ""
    first = descriptor[1] & 0xFFFF
    first -= 0x10000 if signed and first >= 0x8000 else 0
    return LookUpTable(first, entries.astype(np.float64), bits, remark)


def _entries(data: bytes, length: int, bits: int) -> Entries:
    """Return the entries; entries of 8 bits or fewer may be packed, two to a word."""
    packed = bits <= 8 and len(data) <= length + 1
    entries = np.frombuffer(data if packed else data[: len(data) // 2 * 2], "u1" if packed else "<u2")
    return entries if len(entries) > (1 + _CLOSE) * length else entries[:length]
