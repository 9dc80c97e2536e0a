"""Syntax of UIDs (PS3.5 9.1): one rule for received images and for references in results."""

from __future__ import annotations

import re

_UID = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")


def is_uid(text: str) -> bool:
    """Tell whether `text` is a UID, 1–64 characters; leading zeros, written by old devices, are allowed."""
    return _UID.fullmatch(text) is not None
