"""Folds the grayscale transformations into one table over all bit patterns of a pixel cell.

`decode` calls it. The order is that of PS3.4 N.2: modality, values of interest (VOI), presentation.
Contradictory or unreadable attributes never raise; the steps say what was used instead.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.dicom import header
from gateway.imaging.look_up_table import first_look_up_table
from gateway.imaging.modality import ModalityValues, modality_values
from gateway.imaging.stored_values import Mask, StoredValues, sign_extended
from gateway.imaging.values_present import range_present
from gateway.imaging.window import first_window

_SHAPES = {False: "IDENTITY", True: "INVERSE"}  # by "is MONOCHROME1" (PS3.3 C.8.11.3.1.2)


def grayscale_table(
    ds: Dataset, stored: StoredValues, inverted: bool, visible: Mask | None = None
) -> tuple[NDArray[np.uint16], tuple[str, ...]]:
    """Return the display value of every bit pattern of a pixel cell, and the steps in words.

    Parameters
    ----------
    ds
        The image.
    stored
        Its decoded frame.
    inverted
        Whether Photometric Interpretation is MONOCHROME1.
    visible
        Pixels inside the display shutter, shape (rows, columns); None: all.

    Returns
    -------
    table
        uint16, shape (256,) or (65536,), 0 is black and 65535 white.
    steps
        Transformations in order, in words.
    """
    modality = modality_values(ds, stored)
    padding, padding_steps = _padding(ds, stored)

    def counts() -> NDArray[np.int64]:
        return np.where(padding, 0, stored.counts(visible))

    with np.errstate(all="ignore"):  # a window of extreme width saturates; the clip below settles it
        shown, voi_step = _values_of_interest(ds, modality, counts)
    shown, presentation_steps = _presented(ds, shown, inverted)
    table = np.rint(np.clip(np.nan_to_num(shown), 0, 1) * 65535).astype(np.uint16)
    table[padding] = 0
    return table, (*modality.steps, voi_step, *presentation_steps, *padding_steps)


def _values_of_interest(
    ds: Dataset, modality: ModalityValues, counts: Callable[[], NDArray[np.int64]]
) -> tuple[NDArray[np.float64], str]:
    """VOI LUT, else window (PS3.3 C.11.2), else the values that are present."""
    table, lut_remark = first_look_up_table(ds, "VOILUTSequence", signed=modality.lowest < 0)
    window, window_remark = first_window(ds)
    if table:
        unused = ", used instead of the window that is also given" if window else ""
        return table(modality.values) / table.highest, f"VOI LUT, {table}{unused}{lut_remark}"
    if window:
        return window(modality.values), f"VOI {window}{window_remark}{lut_remark}"
    found = range_present(modality.values, counts())
    low, high = found or (modality.lowest, modality.highest)
    step = f"no VOI: {'values present' if found else 'full range'}, {low:g} to {high:g}"
    return (modality.values - low) / (high - low), f"{step}{window_remark}{lut_remark}"


def _presented(
    ds: Dataset, shown: NDArray[np.float64], inverted: bool
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Invert by Photometric Interpretation; a contradictory Presentation LUT Shape is ignored."""
    steps: tuple[str, ...] = ("inverted: MONOCHROME1",) if inverted else ()
    shape = header.first_code_string(ds, "PresentationLUTShape")
    if shape in _SHAPES.values() and shape != _SHAPES[inverted]:
        interpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
        steps += (
            f"conflict: Presentation LUT Shape {shape} contradicts {interpretation}, which was followed",
        )
    return 1 - shown if inverted else shown, steps


def _padding(ds: Dataset, stored: StoredValues) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Pixel Padding Value to Pixel Padding Range Limit, both in stored values (PS3.3 C.7.5.1.1.2).

    A padding value beyond Bits Stored was written across the whole cell, so whole cells are compared.
    """
    values = stored.of_pattern
    value = header.integer(ds, "PixelPaddingValue")
    if value is None:
        return np.zeros(len(values), np.bool_), ()
    limit = header.integer(ds, "PixelPaddingRangeLimit")
    ends = np.array([value & 0xFFFF, (value if limit is None else limit) & 0xFFFF])
    lowest, highest = np.sort(sign_extended(ends, 16, stored.signed))
    if lowest < stored.lowest or highest > stored.highest:
        values = sign_extended(np.arange(len(values)), 16, stored.signed)
    return (values >= lowest) & (values <= highest), (f"padding {lowest} to {highest} made black",)
