"""Writes a Person Name for a reader (PS3.5 6.2.1)."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

_JOINERS = "\u200c\u200d"  # they decide how Arabic and Indic letters join
_UNSEEN = {"Cc", "Cf", "Cn", "Co", "Cs"}


def plain(text: str) -> str:
    """Return `text` as one line, composed, without control characters and marks of direction."""
    kept = (
        letter if letter in _JOINERS or unicodedata.category(letter) not in _UNSEEN else " "
        for letter in unicodedata.normalize("NFC", text)
    )
    return " ".join("".join(kept).split())


def readable_name(name: str, is_drawable: Callable[[str], bool]) -> tuple[str, ...]:
    """Return one line for each group of a Person Name: alphabetic, ideographic, phonetic.

    Groups that cannot be drawn are left out as long as another one can; else all are returned.
    """
    first, *others = name.split("=")
    lines = [_joined(first, ", "), *(_joined(group, " ") for group in others)]
    stated = tuple(dict.fromkeys(line for line in lines if line))
    return tuple(line for line in stated if is_drawable(line)) or stated


def _joined(group: str, after_family_name: str) -> str:
    family, *given = (plain(component) for component in group.split("^"))
    return after_family_name.join(filter(None, (family, " ".join(filter(None, given)))))
