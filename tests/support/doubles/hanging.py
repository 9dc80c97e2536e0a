"""A decoder that one image hangs, as a fault in a native codec would; the gateway loses patience soon."""

import threading

from pydicom.dataset import Dataset

import gateway.worker.sandboxes
import gateway.worker.stages
from gateway.imaging.decode import decode
from gateway.records import GreyImage


def hanging(ds: Dataset, *limits: float) -> GreyImage:
    """Decode, unless the image asks for eternity."""
    if ds.get("ImageComments") == "POISON":
        threading.Event().wait()
    return decode(ds, *limits)


gateway.worker.stages.decode = hanging  # type: ignore[attr-defined]
gateway.worker.sandboxes.STAGE_SECONDS = 8.0
