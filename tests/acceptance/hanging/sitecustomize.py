"""Makes one image hang its decoder, as a fault in a native codec would; the gateway loses patience soon.

Python imports this file at start when its folder is on PYTHONPATH.
"""

import threading

from pydicom.dataset import Dataset

import gateway.worker.answerer
import gateway.worker.engine
import gateway.worker.isolation
import gateway.worker.pipeline
from gateway.imaging.decode import decode
from gateway.records import GreyImage


def hanging(ds: Dataset, *limits: float) -> GreyImage:
    """Decode, unless the image asks for eternity."""
    if ds.get("ImageComments") == "POISON":
        threading.Event().wait()
    return decode(ds, *limits)


gateway.worker.pipeline.decode = hanging  # type: ignore[attr-defined]
gateway.worker.engine.HANGS_SECONDS = 40.0  # longer than the process for suspects takes to start
gateway.worker.answerer.ATTEMPTS_TOGETHER = 1
gateway.worker.isolation.ANSWER_SECONDS = 4.0
