"""Removes a patient's identifiers from the words of a destination, which are kept in the ledger and logged.

Receivers of messages like to repeat what they refuse. A destination names the identifiers of the result that
it has just sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "[…]"
_SHORTEST = 2  # a single letter is everywhere
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")


def redacted(text: str, identifiers: Iterable[str]) -> str:
    """Return `text` without these values, in whatever case, and without the other ways to write a date."""
    values = {form for each in identifiers for form in _forms(each.strip()) if len(form) >= _SHORTEST}
    for value in sorted(values, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", HIDDEN, text, flags=re.IGNORECASE)
    return text


def _forms(value: str) -> set[str]:
    date = _DATE.fullmatch(value)
    if date is None:
        return {value}
    year, month, day = date.groups()
    return {value, f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{month}/{day}/{year}"}
