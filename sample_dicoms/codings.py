"""Final changes of an object: VOI transformation, polarity, transfer syntax, border. `samples` calls them."""

from __future__ import annotations

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, RLELossless

from sample_dicoms.radiograph import film_curve
from sample_dicoms.solids import Array

BLACK, WHITE = 400, 3600  # stored values displayed black and white
PADDING = 4095
Stored = NDArray[np.uint16]


def to_stored(brightness: Array) -> Stored:
    """Return stored values, 12 bits, for brightness 0–1."""
    return np.round(BLACK + (WHITE - BLACK) * brightness).astype(np.uint16)


def straight(value: Array) -> Array:
    """Map balanced values from −4 to 4 linearly to 0–1."""
    return np.clip(value / 8 + 0.5, 0, 1)


def window(ds: Dataset) -> None:
    """Add the window of the image (PS3.3 C.11.2.1.2)."""
    ds.WindowCenter, ds.WindowWidth = (BLACK + WHITE) / 2 + 0.5, WHITE - BLACK + 1


def inverse(ds: FileDataset) -> None:
    """Convert to MONOCHROME1: low values are white."""
    rewrite(ds, (4095 - stored_values(ds)).astype(np.uint16))
    ds.PhotometricInterpretation, ds.PresentationLUTShape = "MONOCHROME1", "INVERSE"
    window(ds)
    ds.WindowCenter = 4096 - ds.WindowCenter


def jpeg_lossless(ds: FileDataset) -> None:
    """Compress as JPEG Lossless, first-order prediction (1.2.840.10008.1.2.4.70)."""
    window(ds)
    frame = imagecodecs.jpeg8_encode(stored_values(ds), lossless=True, predictor=1, bitspersample=12)
    ds.PixelData = encapsulate([bytes(frame)])
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def jpeg_2000(ds: FileDataset) -> None:
    """Compress as JPEG 2000 lossless (1.2.840.10008.1.2.4.90)."""
    window(ds)
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)


def rle(ds: FileDataset) -> None:
    """Compress as RLE Lossless (1.2.840.10008.1.2.5)."""
    window(ds)
    ds.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)


def voi_lut(ds: FileDataset) -> None:
    """Add a VOI LUT with the film curve; the stored values are linear."""
    brightness = film_curve(8 * (np.arange(4096) - BLACK) / (WHITE - BLACK) - 4)
    entries = np.round(brightness * 4095).astype("<u2")
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 12]
    item.LUTExplanation = "Film curve"
    item.LUTData = entries.tobytes()
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"
    ds.VOILUTSequence = Sequence([item])


def collimate(ds: FileDataset) -> None:
    """Add a border of padding around a slightly rotated field."""
    window(ds)
    rows, columns = ds.Rows, ds.Columns
    y, x = np.mgrid[:rows, :columns]
    across = x + 0.02 * y - 0.01 * rows
    down = y - 0.02 * x + 0.01 * columns
    outside = (
        (across < 0.045 * columns)
        | (across > 0.955 * columns)
        | (down < 0.035 * rows)
        | (down > 0.965 * rows)
    )
    rewrite(ds, np.where(outside, PADDING, stored_values(ds)).astype(np.uint16))
    ds.PixelPaddingValue = PADDING
    ds["PixelPaddingValue"].VR = "US"


def truncate(ds: FileDataset) -> None:
    """Cut the lower part of Pixel Data off: fewer bytes than Rows and Columns require."""
    window(ds)
    ds.PixelData = ds.PixelData[: ds.Rows * 6 // 10 * ds.Columns * 2]


def stored_values(ds: Dataset) -> Stored:
    """Return the stored values of an uncompressed object, uint16, shape (rows, columns)."""
    return np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)


def rewrite(ds: Dataset, stored: Stored) -> None:
    """Replace the stored values."""
    ds.PixelData = stored.astype("<u2").tobytes()
