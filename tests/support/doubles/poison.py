"""A decoder whose process one image ends, as a fault in a native codec would."""

import os

from pydicom.dataset import Dataset

import gateway.imaging.decode
from gateway.records import GreyImage

decode = gateway.imaging.decode.decode


def deadly(ds: Dataset, *limits: float) -> GreyImage:
    """Decode, unless the image asks for the end."""
    if ds.get("ImageComments") == "POISON":
        os.abort()
    return decode(ds, *limits)


gateway.imaging.decode.decode = deadly
