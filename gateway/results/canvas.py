"""A black canvas: images keep their aspect ratio, and text stays in its box. `picture` draws on it."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from functools import cache, lru_cache
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gateway.records import Outline

Colour = tuple[int, int, int]

_REMEMBERED = 128  # lines and paragraphs; most of a picture's are those of the one before
_PLAIN = str.maketrans({"–": "-", "—": "-", "−": "-", "×": "x", "≥": ">=", "≤": "<=", "’": "'"})


class Box(NamedTuple):
    """A rectangle in pixels, from the top left corner of the picture."""

    left: int
    top: int
    width: int
    height: int

    def fitted(self, rows: int, columns: int) -> Box:
        """Return the largest centred box of the shape of an image inside this one."""
        scale = min(self.width / columns, self.height / rows)
        width, height = max(1, round(columns * scale)), max(1, round(rows * scale))
        return Box(
            self.left + (self.width - width) // 2, self.top + (self.height - height) // 2, width, height
        )


class Canvas:
    """An RGB picture of fixed size."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width, height))
        self._draw = ImageDraw.Draw(self._image)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """uint8, shape (height, width, 3)."""
        return np.asarray(self._image)

    def fill(self, box: Box, colour: Colour) -> None:
        """Paint a box."""
        self._draw.rectangle(_corners(box), fill=colour)

    def frame(self, box: Box, colour: Colour) -> None:
        """Draw the outline of a box."""
        self._draw.rectangle(_corners(box), outline=colour, width=2)

    def outline(self, box: Box, corners: Outline, colour: Colour) -> None:
        """Draw a closed polygon over what is in the box; its corners are shares of the box."""
        points = [(box.left + x * box.width, box.top + y * box.height) for x, y in corners]
        self._draw.line([*points, points[0]], fill=colour, width=2)

    def paste(self, box: Box, pixels: NDArray[np.uint8]) -> None:
        """Put an image of shape (box.height, box.width), grey or with 3 colours, into the box."""
        self._image.paste(Image.fromarray(pixels), (box.left, box.top))

    def line(
        self, x: int, y: int, text: str, size: int, colour: Colour, *, bold: bool = False, anchor: str = "la"
    ) -> None:
        """Write one line; `anchor` as in Pillow: `la` hangs it from its top left corner."""
        left, top, ink = _ink(drawable(text), size, bold, anchor)
        self._image.paste(colour, (x + left, y + top), ink)

    def paragraph(self, box: Box, text: str, size: int, colour: Colour) -> None:
        """Write text wrapped to the box's width; what is more than fits ends in dots."""
        height = round(1.35 * size)
        lines = wrapped(text, box.width, size, max_lines=max(1, box.height // height))
        for number, line in enumerate(lines):
            self.line(box.left, box.top + number * height, line, size, colour)


def drawable(text: str) -> str:
    """Return `text` in the letters that the built-in font has: ASCII, without diacritics."""
    plain = unicodedata.normalize("NFKD", text.translate(_PLAIN))
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.encode("ascii", "replace").decode("ascii")


@lru_cache(maxsize=_REMEMBERED)
def wrapped(text: str, width: int, size: int, max_lines: int) -> tuple[str, ...]:
    """Return the lines of `text` no wider than `width` pixels, the last one ended by dots if cut."""
    lines = [""]
    for word in _short_enough(drawable(text).split(), width, size):
        longer = f"{lines[-1]} {word}".strip()
        if _width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > max_lines:
        return (*lines[: max_lines - 1], shortened(" ".join(lines[max_lines - 1 :]), width, size))
    return tuple(lines)


def shortened(text: str, width: int, size: int) -> str:
    """Return `text` if it is no wider than `width` pixels, else its beginning and dots."""
    text = drawable(text)
    if _width(text, size) <= width:
        return text
    too_wide = bisect_right(range(len(text)), width, key=lambda kept: ceil(_width(f"{text[:kept]}...", size)))
    return f"{text[: max(0, too_wide - 1)].rstrip()}..."


def _short_enough(words: list[str], width: int, size: int) -> list[str]:
    return [shortened(word, width, size) for word in words]


def _width(text: str, size: int) -> float:
    return _font(size).getlength(text)


@lru_cache(maxsize=_REMEMBERED)
def _ink(text: str, size: int, bold: bool, anchor: str) -> tuple[int, int, Image.Image]:
    """Return where the left and the top edge of a line lie from its anchor, and its coverage, 0–255."""
    font, stroke = _font(size), int(bold)
    left, top, right, bottom = map(int, font.getbbox(text, anchor=anchor, stroke_width=stroke))
    image = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(image).text((-left, -top), text, 255, font, anchor, stroke_width=stroke)
    return left, top, image


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow lacks FreeType, which its wheels include; reinstall it from a wheel")
    return font


def _corners(box: Box) -> tuple[int, int, int, int]:
    return box.left, box.top, box.left + box.width - 1, box.top + box.height - 1
