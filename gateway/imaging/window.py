"""Window Center and Width (PS3.3 C.11.2.1.2) and VOI LUT Function (C.11.2.1.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging import header

_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Window:
    """A window: `function` is LINEAR (width at least 1), LINEAR_EXACT or SIGMOID (width above 0)."""

    center: float
    width: float
    function: str = "LINEAR"

    @property
    def is_valid(self) -> bool:
        """Whether the standard defines an output for this width."""
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
    """Return the first window of `ds`, if there is a valid one, and what is wrong with it in words."""
    centers, widths = header.numbers(ds, "WindowCenter"), header.numbers(ds, "WindowWidth")
    if not centers or not widths:
        return None, ""
    named = header.first_code_string(ds, "VOILUTFunction") or "LINEAR"
    window = Window(centers[0], widths[0], named if named in _FUNCTIONS else "LINEAR")
    if not window.is_valid:
        return None, f"; {window} is not valid"
    return window, "" if named in _FUNCTIONS else f"; VOI LUT Function {header.quoted(named)} is not defined"
