"""Modality transformation: from stored values to the modality's own units (PS3.3 C.11.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging import header
from gateway.imaging.look_up_table import first_look_up_table
from gateway.imaging.stored_values import StoredValues

_LEAST_SLOPE = 1e-12


@dataclass(frozen=True, slots=True)
class ModalityValues:
    """Output of the modality transformation.

    Attributes
    ----------
    values
        float64: one for each bit pattern of a pixel cell.
    lowest, highest
        The theoretical output range, whatever values the image has.
    steps
        What was done, in words; empty where the stored values are the output.
    """

    values: NDArray[np.float64]
    lowest: float
    highest: float
    steps: tuple[str, ...]


def modality_values(ds: Dataset, stored: StoredValues) -> ModalityValues:
    """Apply the Modality LUT, else Rescale Slope and Intercept, else nothing."""
    values = stored.of_pattern.astype(np.float64)
    table = first_look_up_table(ds, "ModalityLUTSequence", stored.signed)
    if table:
        return ModalityValues(table(values), 0, table.highest, (f"Modality LUT, {table}",))
    slope, remark = _slope(ds)
    intercept = next(iter(header.numbers(ds, "RescaleIntercept")), 0.0)
    lowest, highest = sorted((stored.lowest * slope + intercept, stored.highest * slope + intercept))
    steps = (f"rescaled: slope {slope:g}, intercept {intercept:g}{remark}",)
    unchanged = slope == 1 and intercept == 0 and not remark
    return ModalityValues(values * slope + intercept, lowest, highest, () if unchanged else steps)


def _slope(ds: Dataset) -> tuple[float, str]:
    values = header.numbers(ds, "RescaleSlope")
    if not values:
        return 1.0, ""
    if abs(values[0]) < _LEAST_SLOPE:
        return 1.0, f"; slope {values[0]:g} would leave no picture"
    return values[0], ""
