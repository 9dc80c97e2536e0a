"""Finds the fonts of the PDF and the letters that none of them has. `page` and the doctor call it.

No font is shipped: the fonts are those of the system, in the folders of `results.pdf_fonts`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

LATIN_1 = frozenset((*range(0x20, 0x7F), *range(0xA0, 0x100)))
"""The letters of the PDF's own font, which stands in where no font is found (ISO 32000-1 9.6.2.2)."""

PREFERRED = (
    *("DejaVuSans.ttf", "NotoSans-Regular.*", "NotoSansCJK-Regular.*", "DroidSansFallback*.ttf"),
    "NotoSans*-Regular.*",
)
"""The fonts of a folder that are used, in their order: sans serif, upright, together every script."""


class Fonts:
    """The fonts that are found at the places, in their order; the first one has the Latin letters.

    Parameters
    ----------
    places
        Font files, and folders that are searched for the preferred fonts. A file that is no font is passed
        over.
    """

    def __init__(self, places: Iterable[str]) -> None:
        readable = [path for path in _files(tuple(places)) if path.is_file() and _letters(path)]
        latin = next((path for path in readable if 0x41 in _letters(path)), None)
        self.found: tuple[Path, ...] = ()
        """Empty where no font has Latin letters: then the PDF's own font is used alone."""
        if latin:
            self.found = (latin, *(path for path in readable if path != latin))

    def without_font(self, text: str) -> str:
        """Return the letters of `text` that no font has."""
        return "".join(letter for letter in text if self._font_of(letter) is None)

    def needed(self, text: str) -> Sequence[Path]:
        """Return the fonts that have the letters of `text`, the first font always among them."""
        used = {self._font_of(letter) for letter in {*text, "A"}}
        return [path for path in self.found if path in used]

    def _font_of(self, letter: str) -> Path | None:
        if not self.found:
            return Path() if ord(letter) in LATIN_1 else None
        return next((path for path in self.found if ord(letter) in _letters(path)), None)


def scripts(letters: str) -> str:
    """Return the scripts of letters and their number: `Cjk (2), Thai (3)`. It does not tell the letters."""
    names = Counter(unicodedata.name(letter, "unnamed").split()[0].capitalize() for letter in letters)
    return ", ".join(f"{name} ({number})" for name, number in sorted(names.items()))


@lru_cache(maxsize=8)
def _files(places: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path for place in places for path in _at(Path(place))))


def _at(place: Path) -> Iterator[Path]:
    if not place.is_dir():
        yield place
    for name in PREFERRED:
        yield from sorted(place.rglob(name))


@lru_cache(maxsize=256)
def _letters(path: Path) -> frozenset[int]:
    """Return the code points that a font has a glyph for; none if it cannot be read."""
    from fontTools.ttLib import TTFont, TTLibError

    try:
        with path.open("rb") as file, TTFont(file, fontNumber=0, lazy=True) as font:
            has_outlines = "glyf" in font or "CFF " in font
            return frozenset(font.getBestCmap() or ()) if has_outlines else frozenset()
    except (OSError, TTLibError, KeyError, AssertionError):
        return frozenset()
