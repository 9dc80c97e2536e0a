"""Regular expressions of conditions, by RE2: the time is linear in the text, whatever the pattern."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

LONGEST_PATTERN = 200
"""Characters."""
MOST_MEMORY = 1 << 20
"""Bytes of a compiled pattern; `a{1000}{1000}` needs more, and is refused."""


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Return RE2's pattern; it is loaded only where a condition has one.

    Raises
    ------
    ValueError
        If RE2 refuses the pattern; the text says why.
    """
    import re2

    options = re2.Options()
    options.max_mem = MOST_MEMORY
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(_told(error)) from None


def _told(error: Exception) -> str:
    told = error.args[0] if error.args else ""
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
