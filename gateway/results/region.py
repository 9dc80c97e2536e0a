"""The part of the image that the classifier saw, in words, as JSON and as corners.

Results and `predict` call it.
"""

from __future__ import annotations

from typing import Any

from gateway.records import Box, Lungs, Region


def region_in_words(region: Region) -> str:
    """Return what was shown to the classifier, as a step of the data path."""
    if not isinstance(region, Lungs):
        return f"shown to the model: the whole image, because {region.reason}"
    left, top, right, bottom = (round(100 * edge) for edge in region.box)
    place = f"{left} to {right} % of the width and {top} to {bottom} % of the height"
    return f"shown to the model: the lungs, {place}; lungs cover {100 * region.coverage:.0f} % of the image"


def region_document(region: Region) -> dict[str, Any]:
    """Return a region as JSON; `box` and `coverage` are null where the whole image was shown."""
    told: dict[str, Any] = {"outcome": region.outcome, "text": region_in_words(region)}
    if not isinstance(region, Lungs):
        return told | {"box": None, "coverage": None, "reason": region.reason}
    box = {name: round(edge, 4) for name, edge in region.box._asdict().items()}
    return told | {"box": box, "coverage": round(region.coverage, 4), "reason": None}


def corners(region: Region | None, columns: int, rows: int) -> list[tuple[float, float]]:
    """Return the closed outline of a region's box, (column, row) in an image's pixels, clockwise."""
    left, top, right, bottom = region.box if isinstance(region, Lungs) else Box(0, 0, 1, 1)
    outline = (left, top), (right, top), (right, bottom), (left, bottom), (left, top)
    return [(round(x * columns, 1), round(y * rows, 1)) for x, y in outline]
