"""Sets the gateway's clock as far off as the file says that `TEST_CLOCK` names, in seconds.

Python imports this file at start when its folder is on PYTHONPATH. The monotonic clock stays as it is.
"""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import gateway.store.ledger

_FILE = Path(os.environ["TEST_CLOCK"])
_now, _time = gateway.store.ledger.now, time.time


def _seconds_off() -> float:
    return float(_FILE.read_text())


def now() -> datetime:
    """Return the time of the clock that is off."""
    return _now() + timedelta(seconds=_seconds_off())


gateway.store.ledger.now = now
time.time = lambda: _time() + _seconds_off()
