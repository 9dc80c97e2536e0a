"""DECODE: from a data set to a grey image by the grayscale pipeline of PS3.4 N.2.

The worker and the viewer call it. All grayscale transformations are folded into one table, so decoding costs
one look-up per pixel. Every failure is a `Reject` with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from gateway.imaging.aspect import make_square
from gateway.imaging.grayscale import grayscale_table
from gateway.imaging.image_pixel import MAX_MEGAPIXELS, read_image_pixel
from gateway.imaging.pixel_data import pixel_data, read_stored_values
from gateway.imaging.shutter import inside_shutter
from gateway.imaging.stored_values import Cells, Mask, StoredValues
from gateway.records import GreyImage

_ROWS_AT_ONCE = 64  # keeps the widened indices of `take` in the processor's cache: twice as fast


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A frame in its own matrix, before any resampling.

    Attributes
    ----------
    stored
        Stored values, shape (rows, columns).
    table
        uint16: display value of every bit pattern of a pixel cell, 0 is black.
    visible
        Pixels inside the display shutter, shape (rows, columns); None: all.
    steps
        Transformations in order, in words.
    """

    stored: StoredValues
    table: NDArray[np.uint16]
    visible: Mask | None
    steps: tuple[str, ...]


def decode(ds: Dataset, max_megapixels: float = MAX_MEGAPIXELS) -> GreyImage:
    """Return the radiograph in `ds` as a viewer displays it, without overlays.

    Parameters
    ----------
    ds
        A data set with file meta information, in one of `TRANSFER_SYNTAXES`.
    max_megapixels
        Limit on the number of pixels, in millions; larger images are rejected.

    Raises
    ------
    Reject
        NO_PIXELS, MULTI_FRAME, COLOUR, TOO_LARGE or UNDECODABLE.
    """
    frame = decode_frame(ds, max_megapixels)
    pixels = _look_up(frame.table, frame.stored.cells)
    if frame.visible is not None:
        np.multiply(pixels, frame.visible, out=pixels)
    pixels, aspect_steps = make_square(ds, pixels)
    return GreyImage(pixels, (*frame.steps, *aspect_steps))


def decode_frame(ds: Dataset, max_megapixels: float = MAX_MEGAPIXELS) -> DecodedFrame:
    """Return the stored values in `ds` and their display; parameters and errors are those of `decode`."""
    data = pixel_data(ds)
    image_pixel = read_image_pixel(ds, max_megapixels)
    stored = read_stored_values(ds, data, image_pixel)
    visible, shutter_steps = inside_shutter(ds, (image_pixel.rows, image_pixel.columns))
    table, grayscale_steps = grayscale_table(ds, stored, image_pixel.inverted, visible)
    return DecodedFrame(stored, table, visible, (stored.step, *grayscale_steps, *shutter_steps))


def _look_up(table: NDArray[np.uint16], cells: Cells) -> NDArray[np.uint16]:
    pixels = np.empty(cells.shape, np.uint16)
    for top in range(0, len(cells), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        np.take(table, cells[rows], out=pixels[rows], mode="clip")  # "clip" alone writes into `out` directly
    return pixels
