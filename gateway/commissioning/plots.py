"""Plots of the report as inline SVG. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from gateway.commissioning.cross_validation import Odds
from gateway.model.profile import Part

_WIDTH, _LEFT, _RIGHT = 720, 24, 24
_ROW = 80  # pixels of a row of dots
_TALLEST = 46  # pixels of a pile of dots; the label is above it
_BAR = 48  # pixels of a row of an interval
_DOT = 3.2
_BINS = 90  # dots of one bin lie above each other


class Row(NamedTuple):
    """A row of dots: its label, log-odds, class of the style sheet, and the threshold, log-odds too."""

    label: str
    odds: Odds
    kind: str
    threshold: float


class Interval(NamedTuple):
    """A figure with its interval, and the class of the style sheet."""

    label: str
    part: Part
    kind: str


def dots(rows: Sequence[Row], title: str) -> Markup:
    """Draw one dot for each image at its log-odds, and the threshold of each row."""
    values = np.concatenate([[row.threshold] for row in rows] + [row.odds for row in rows])
    low, high = float(values.min()), float(values.max())
    scale = (_WIDTH - _LEFT - _RIGHT) / ((high - low) or 1)
    drawn = []
    for number, row in enumerate(rows):
        floor = (number + 1) * _ROW
        drawn.append(_label(row.label, floor - _TALLEST - 14))
        drawn.append(_line(_LEFT, floor, _WIDTH - _RIGHT, floor, "axis"))
        drawn += [
            _dot(_LEFT + (x - low) * scale, floor - 5 - y, row.kind) for x, y in _stacked(row.odds, low, high)
        ]
        at = _LEFT + (row.threshold - low) * scale
        drawn.append(_line(at, floor - _TALLEST - 8, at, floor + 4, "threshold"))
    height = len(rows) * _ROW + 30
    for tick in _ticks(low, high):
        drawn.append(_text(_LEFT + (tick - low) * scale, height - 10, f"{tick:g}", "middle"))
    return _svg(height, title, drawn)


def intervals(rows: Sequence[Interval], title: str, target: float | None = None) -> Markup:
    """Draw shares with their intervals on an axis from 0 to 1, and the target as a line."""
    width = _WIDTH - _LEFT - _RIGHT
    height = len(rows) * _BAR + 34
    drawn = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(_line(_LEFT + tick * width, 4, _LEFT + tick * width, height - 28, "grid"))
        drawn.append(_text(_LEFT + tick * width, height - 10, f"{tick:g}", "middle"))
    if target is not None:
        drawn.append(_line(_LEFT + target * width, 4, _LEFT + target * width, height - 28, "threshold"))
    for number, row in enumerate(rows):
        middle = number * _BAR + 32
        drawn.append(_label(row.label, middle - 14))
        drawn.append(
            _line(_LEFT + row.part.low * width, middle, _LEFT + row.part.high * width, middle, "whisker")
        )
        drawn.append(_dot(_LEFT + row.part.value * width, middle, row.kind, 6))
    return _svg(height, title, drawn)


def _stacked(odds: Odds, low: float, high: float) -> list[tuple[float, float]]:
    """Return x and height above the row's floor of each dot."""
    width = (high - low) / _BINS or 1.0
    heights: dict[int, int] = {}
    placed = []
    for value in np.sort(odds).tolist():
        column = int((value - low) / width)
        height = heights.get(column, 0)
        heights[column] = height + 1
        placed.append((value, min(height * 2 * _DOT, _TALLEST)))
    return placed


def _ticks(low: float, high: float) -> list[float]:
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100, 1e9) if (high - low) / step <= 10)
    first = int(np.ceil(low / step))
    return [number * step for number in range(first, int(np.floor(high / step)) + 1)]


def _svg(height: float, title: str, drawn: Sequence[Markup]) -> Markup:
    opened = Markup('<svg viewBox="0 0 {0} {1}" width="{0}" height="{1}" role="img" aria-label="{2}">')
    return opened.format(_WIDTH, height, title) + Markup("").join(drawn) + Markup("</svg>")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    line = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return line.format(kind, x1, y1, x2, y2)


def _dot(x: float, y: float, kind: str, radius: float = _DOT) -> Markup:
    return Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"/>').format(kind, x, y, radius)


def _label(text: str, y: float) -> Markup:
    return _text(_LEFT + 6, y, text, "start")


def _text(x: float, y: float, text: str, anchor: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(x, y, anchor, text)
