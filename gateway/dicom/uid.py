"""UIDs: one rule for what is received and what results refer to."""

from __future__ import annotations

import re

_UID = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")


def is_uid(text: str) -> bool:
    """Tell whether `text` is a UID (PS3.5 9.1); leading zeros, which old devices write, are let pass."""
    return _UID.fullmatch(text) is not None
