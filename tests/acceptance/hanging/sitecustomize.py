"""Makes one image hang its decoder, as a fault in a native codec would; the gateway loses patience soon.

Python imports this file at start when its folder is on PYTHONPATH.
"""

import threading

from pydicom.dataset import Dataset

import gateway.engine
import gateway.isolation
import gateway.pipeline
from gateway.imaging.decode import decode
from gateway.records import GreyImage


def hanging(ds: Dataset, *limits: float) -> GreyImage:
    """Decode, unless the image asks for eternity."""
    if ds.get("ImageComments") == "POISON":
        threading.Event().wait()
    return decode(ds, *limits)


gateway.pipeline.decode = hanging  # type: ignore[attr-defined]
gateway.engine.HANGS_SECONDS = 40.0  # longer than the process for suspects takes to start
gateway.engine.ATTEMPTS_TOGETHER = 1
gateway.isolation.ANSWER_SECONDS = 4.0
