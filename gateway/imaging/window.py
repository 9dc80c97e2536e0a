"""Window Center and Width (PS3.3 C.11.2.1.2) and VOI LUT Function (C.11.2.1.3). `grayscale` calls it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.dicom import header

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Window:
    """A window: `function` is LINEAR (width at least 1), LINEAR_EXACT or SIGMOID (width above 0)."""

    center: float
    width: float
    function: str = "LINEAR"

    @property
    def is_valid(self) -> bool:
        """True where the standard defines an output for this width."""
        return self.width >= 1 if self.function == "LINEAR" else self.width > 0

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the display value of each of `values`, 0–1."""
        if self.function == "SIGMOID":
            return 1 / (1 + np.exp(-4 * (values - self.center) / self.width))
        if self.function == "LINEAR_EXACT":
            return np.clip((values - self.center) / self.width + 0.5, 0, 1)
        if self.width == 1:
            return np.where(values > self.center - 0.5, 1.0, 0.0)
        return np.clip((values - (self.center - 0.5)) / (self.width - 1) + 0.5, 0, 1)

    def __str__(self) -> str:
        return f"window centre {self.center:g} width {self.width:g} ({self.function})"


def first_window(ds: Dataset) -> tuple[Window | None, str]:
    """Return the first valid window of `ds`, or None, and a remark on invalid windows or functions."""
    named = header.first_code_string(ds, "VOILUTFunction") or "LINEAR"
    known = named in _FUNCTIONS
    remark = "" if known else f"; VOI LUT Function {header.quoted(named)} is not defined"
    windows = list(_windows(ds, named if known else "LINEAR"))
    for number, window in enumerate(windows):
        if window and window.is_valid:
            return window, remark + _passed_over(windows[:number])
    return None, _passed_over(windows)


def _windows(ds: Dataset, function: str) -> Iterator[Window | None]:
    """Yield each window, centre and width paired by position; None for an incomplete pair."""
    centers = header.numbers_by_place(ds, "WindowCenter")
    for center, width in zip_longest(centers, header.numbers_by_place(ds, "WindowWidth")):
        yield None if center is None or width is None else Window(center, width, function)


def _passed_over(windows: list[Window | None]) -> str:
    if not windows:
        return ""
    first = f"{windows[0]} is not valid" if windows[0] else "its centre or width is missing or not a number"
    return f"; {len(windows)} unusable windows passed over, the first: {first}"
