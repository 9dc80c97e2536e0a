"""Writes an image's own grey pipeline as attributes of a presentation state (PS3.3 A.33.1).

A presentation state replaces the pipeline of its image, Photometric Interpretation included (PS3.3 C.11.6).
The worker calls it where a presentation state is wanted. Attributes that `grayscale` passes over are left
out, so that a state shows what the image shows without one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.valuerep import format_number_as_ds

from gateway.dicom import header
from gateway.imaging.look_up_table import first_look_up_table
from gateway.imaging.modality import rescale
from gateway.imaging.shutter import shutter_attributes
from gateway.imaging.window import Window, first_window

_HIGHEST = 0xFFFF  # of an entry of 16 bits; a state's tables have 8 or 16
_SPACING = ("PixelSpacing", "ImagerPixelSpacing")


def softcopy(source: Dataset) -> Dataset:
    """Return modality LUT, softcopy VOI LUT, presentation LUT, shutter and displayed area of an image.

    Parameters
    ----------
    source
        An image that `decode` accepts; its pixels are not read.

    Returns
    -------
    Attributes of PS3.3 C.11.1, C.11.8, C.11.6, C.7.6.11, C.7.6.15 and C.10.4.
    """
    state = Dataset()
    signed = header.integer(source, "PixelRepresentation") == 1
    negative = _modality(state, source, signed)
    _values_of_interest(state, source, negative)
    inverted = header.first_code_string(source, "PhotometricInterpretation") == "MONOCHROME1"
    state.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    rows, columns = (header.integer(source, keyword) or 1 for keyword in ("Rows", "Columns"))
    state.update(shutter_attributes(source, (rows, columns)))
    state.DisplayedAreaSelectionSequence = [_whole(source, rows, columns)]
    return state


def _modality(state: Dataset, source: Dataset, signed: bool) -> bool:
    """Write the modality transformation; tell whether its output has negative values."""
    table, _ = first_look_up_table(source, "ModalityLUTSequence", signed)
    if table:
        item = _table(table.first, table.entries, signed)
        item.ModalityLUTType = "US"
        state.ModalityLUTSequence = [item]
        return False
    linear = rescale(source)
    if linear.is_stated:
        state.RescaleIntercept = format_number_as_ds(linear.intercept)
        state.RescaleSlope = format_number_as_ds(linear.slope)
        state.RescaleType = "US"
    bits = header.integer(source, "BitsStored") or 16
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return min(lowest * linear.slope, highest * linear.slope) + linear.intercept < 0


def _values_of_interest(state: Dataset, source: Dataset, negative: bool) -> None:
    table, _ = first_look_up_table(source, "VOILUTSequence", negative)
    window, _ = first_window(source)
    if not (table or window):
        return
    item = Dataset()
    if table:
        grey = table.entries * (_HIGHEST / table.highest)
        item.VOILUTSequence = [_table(table.first, grey, negative)]
    elif window:
        _window(item, window)
    state.SoftcopyVOILUTSequence = [item]


def _window(item: Dataset, window: Window) -> None:
    item.WindowCenter = format_number_as_ds(window.center)
    item.WindowWidth = format_number_as_ds(window.width)
    if window.function != "LINEAR":
        item.VOILUTFunction = window.function


def _table(first: int, entries: NDArray[np.float64], signed: bool) -> Dataset:
    """Return a look-up table with entries of 16 bits (PS3.3 C.11.1.1.1, C.11.2.1.1)."""
    item = Dataset()
    descriptor = np.array([len(entries), first, 16]) & 0xFFFF
    vr, words = ("SS", np.int16) if signed else ("US", np.uint16)
    item.add_new("LUTDescriptor", vr, descriptor.astype(np.uint16).view(words).tolist())
    item.add_new("LUTData", "OW", np.rint(entries).astype("<u2").tobytes())
    return item


def _whole(source: Dataset, rows: int, columns: int) -> Dataset:
    """Return the displayed area that is the whole image (PS3.3 C.10.4): its pixels count from 1."""
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    for keyword in _SPACING:
        spacing = header.numbers(source, keyword)
        if len(spacing) == 2 and min(spacing) > 0:
            area.PresentationPixelSpacing = [format_number_as_ds(each) for each in spacing]
            return area
    ratio = header.integers(source, "PixelAspectRatio")
    area.PresentationPixelAspectRatio = list(ratio) if len(ratio) == 2 and min(ratio) > 0 else [1, 1]
    return area
