"""Clocks that are wrong: time-machine shifts the time of day of a host's Pythons, not the monotonic clock.

The cluster sets the variable for the processes of a host; `armed/sitecustomize.py` shifts their clock.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec

from gateway.errors import ConfigurationError

_SECONDS = "CXR_PROVE_CLOCK"
_LIBRARY = "time_machine"


def wrong_clock(seconds: int) -> Mapping[str, str]:
    """Return the environment of a process whose clock is fast by `seconds`.

    Raises
    ------
    ConfigurationError
        If the library that shifts clocks is missing.
    """
    if find_spec(_LIBRARY) is None:
        raise ConfigurationError("--cluster: a library is missing: pip install time-machine")
    return {_SECONDS: str(seconds)}


def shift_clock() -> None:
    """Shift the clock of this process as its environment says."""
    seconds = int(os.environ.get(_SECONDS, 0))
    if seconds:
        import time_machine

        time_machine.travel(datetime.now(UTC) + timedelta(seconds=seconds), tick=True).start()
