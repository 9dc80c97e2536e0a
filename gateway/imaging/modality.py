"""Modality transformation: from stored values to the modality's units (PS3.3 C.11.1).

`grayscale` calls it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.imaging.look_up_table import first_look_up_table
from gateway.imaging.stored_values import StoredValues

_LEAST_SLOPE = 1e-12


@dataclass(frozen=True, slots=True)
class ModalityValues:
    """Output of the modality transformation.

    Attributes
    ----------
    values
        float64, shape (256,) or (65536,): one for each bit pattern of a pixel cell.
    lowest, highest
        Theoretical output range, independent of the values in the image.
    steps
        Transformation in words; empty for the identity.
    """

    values: NDArray[np.float64]
    lowest: float
    highest: float
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rescale:
    """The linear modality transformation; `is_stated` where the image has one."""

    slope: float
    intercept: float
    is_stated: bool
    remark: str = ""


def modality_values(ds: Dataset, stored: StoredValues) -> ModalityValues:
    """Apply the Modality LUT, else Rescale Slope and Intercept, else the identity."""
    values = stored.of_pattern.astype(np.float64)
    table, passed_over = first_look_up_table(ds, "ModalityLUTSequence", stored.signed)
    if table:
        return ModalityValues(table(values), 0, table.highest, (f"Modality LUT, {table}{passed_over}",))
    linear = rescale(ds)
    slope, intercept, remark = linear.slope, linear.intercept, linear.remark + passed_over
    lowest, highest = sorted((stored.lowest * slope + intercept, stored.highest * slope + intercept))
    steps = (f"rescaled: slope {slope:g}, intercept {intercept:g}{remark}",)
    unchanged = slope == 1 and intercept == 0 and not remark
    return ModalityValues(values * slope + intercept, lowest, highest, () if unchanged else steps)


def rescale(ds: Dataset) -> Rescale:
    """Return Rescale Slope and Intercept; what cannot be used becomes 1 and 0."""
    slope, slope_remark = _first_number(ds, "RescaleSlope", default=1.0)
    intercept, intercept_remark = _first_number(ds, "RescaleIntercept", default=0.0)
    if abs(slope) < _LEAST_SLOPE:
        slope, slope_remark = 1.0, f"; slope {slope:g} would remove all contrast"
    stated = any(header.texts(ds, keyword) for keyword in ("RescaleSlope", "RescaleIntercept"))
    return Rescale(slope, intercept, stated, slope_remark + intercept_remark)


def _first_number(ds: Dataset, keyword: str, default: float) -> tuple[float, str]:
    """Return the element's first value, or the default, and a remark where the value is not a number."""
    value = next(iter(header.numbers_by_place(ds, keyword)), None)
    if value is not None:
        return value, ""
    return default, f"; {keyword} cannot be read" if header.texts(ds, keyword) else ""
