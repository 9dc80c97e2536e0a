"""What PS3.3 C.11 says that an image looks like, pixel by pixel: written from the standard, for comparison.

Nothing here comes from `gateway.imaging`. Where the standard is silent (no window; tables that hold another
number of entries or bits than their descriptors say) the rule is that of CONFORMANCE.md, 5.6.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """An item of a LUT sequence: what its descriptor promises, and the entries that it holds."""

    length: int
    first: int
    bits: int
    entries: tuple[int, ...]
    packed: bool = False

    @property
    def usable(self) -> bool:
        return len(self.entries) >= 0.9 * self.length

    @property
    def used(self) -> tuple[int, ...]:
        surplus = len(self.entries) > 1.1 * self.length
        return self.entries if surplus else self.entries[: self.length]

    @property
    def white(self) -> int:
        return max(1, 2 ** max(self.used).bit_length() - 1)

    def __call__(self, value: float) -> int:
        """C.11.1.1: values below the first mapped get the first entry, those beyond the last the last."""
        place = min(max(round(value) - self.first, 0), len(self.used) - 1)
        return self.used[place]


@dataclass(frozen=True)
class Coding:
    """One way to store a picture: attributes by the names of the standard, numbers as text where DS."""

    stored: tuple[int, ...]
    bits: int
    signed: bool
    inverted: bool
    high_bit: int
    allocated: int
    slope: str = ""
    intercept: str = ""
    modality_tables: tuple[Table, ...] = ()
    voi_tables: tuple[Table, ...] = ()
    centers: tuple[str, ...] = ()
    widths: tuple[str, ...] = ()
    function: str = ""
    padding: tuple[int, int] | None = None
    beside: tuple[int, ...] = field(default=(), repr=False)  # bits of the cells that are not of the value

    @property
    def lowest(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def highest(self) -> int:
        return self.lowest + (1 << self.bits) - 1


def shown(coding: Coding) -> list[float]:
    """Return the grey of each pixel, 0 (black) to 1 (white)."""
    values = [_modality(coding, stored) for stored in coding.stored]
    hidden = [_is_padding(coding, stored) for stored in coding.stored]
    present = [value for value, is_hidden in zip(values, hidden, strict=True) if not is_hidden]
    greys = [_values_of_interest(coding, value, present) for value in values]
    greys = [1 - grey if coding.inverted else grey for grey in greys]
    return [0.0 if is_hidden else grey for grey, is_hidden in zip(greys, hidden, strict=True)]


def _is_padding(coding: Coding, stored: int) -> bool:
    """C.7.5.1.1.2: from Pixel Padding Value to Pixel Padding Range Limit, in stored values."""
    return coding.padding is not None and min(coding.padding) <= stored <= max(coding.padding)


def _modality(coding: Coding, stored: int) -> float:
    """C.11.1: the LUT, else slope and intercept."""
    for table in coding.modality_tables:
        if table.usable:
            return table(stored)
    return stored * number(coding.slope, 1.0) + number(coding.intercept, 0.0)


def _values_of_interest(coding: Coding, value: float, present: list[float]) -> float:
    """C.11.2: a LUT, else a window."""
    for table in coding.voi_tables:
        if table.usable:
            return table(value) / table.white
    for center, width in zip(coding.centers, coding.widths, strict=True):
        c, w = number(center, math.nan), number(width, math.nan)
        if not math.isnan(c) and w >= (1 if coding.function in ("", "LINEAR") else 1e-300):
            return _windowed(coding.function, value, c, w)
    low, high = (min(present), max(present)) if len(set(present)) > 1 else _theoretical(coding)
    return min(max((value - low) / (high - low), 0), 1)


def _windowed(function: str, x: float, c: float, w: float) -> float:
    """C.11.2.1.2.1 (LINEAR), C.11.2.1.3.1 (SIGMOID), C.11.2.1.3.2 (LINEAR_EXACT), output 0 to 1."""
    if function == "SIGMOID":
        exponent = -4 * (x - c) / w
        return 0.0 if exponent > 700 else 1 / (1 + math.exp(exponent))
    if function == "LINEAR_EXACT":
        if x <= c - w / 2:
            return 0.0
        return 1.0 if x > c + w / 2 else (x - c) / w + 0.5
    if x <= c - 0.5 - (w - 1) / 2:
        return 0.0
    return 1.0 if x > c - 0.5 + (w - 1) / 2 else (x - (c - 0.5)) / (w - 1) + 0.5


def _theoretical(coding: Coding) -> tuple[float, float]:
    for table in coding.modality_tables:
        if table.usable:
            return 0, table.white
    ends = [
        end * number(coding.slope, 1.0) + number(coding.intercept, 0.0)
        for end in (coding.lowest, coding.highest)
    ]
    return min(ends), max(ends)


def number(text: str, default: float) -> float:
    """Return a DS as PS3.5 6.2 has it, without infinities, underscores and commas, else the default."""
    if not text or set(text) - set("0123456789+-.eE"):
        return default
    return float(text)
