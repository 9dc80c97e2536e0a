"""A decoder that one image hangs, as a fault in a native codec would; the gateway loses patience soon."""

import threading

from pydicom.dataset import Dataset

import gateway.imaging.decode
from gateway.records import GreyImage

decode = gateway.imaging.decode.decode


def hanging(ds: Dataset, *limits: float) -> GreyImage:
    """Decode, unless the image asks for eternity."""
    if ds.get("ImageComments") == "POISON":
        threading.Event().wait()
    return decode(ds, *limits)


gateway.imaging.decode.decode = hanging

import gateway.worker.sandboxes  # noqa: E402 - which takes the decoder by its name

gateway.worker.sandboxes.STAGE_SECONDS = 8.0
