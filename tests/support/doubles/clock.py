"""A clock that is off by the seconds in the file that `TEST_CLOCK` names; the monotonic clock is right."""

import os
import time
from datetime import datetime, timedelta
from pathlib import Path

import gateway.store.clock

_FILE = Path(os.environ["TEST_CLOCK"])
_now, _time = gateway.store.clock.now, time.time


def _seconds_off() -> float:
    return float(_FILE.read_text())


def now() -> datetime:
    """Return the time of the clock that is off."""
    return _now() + timedelta(seconds=_seconds_off())


gateway.store.clock.now = now
time.time = lambda: _time() + _seconds_off()
