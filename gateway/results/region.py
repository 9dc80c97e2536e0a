"""The part of the image that the classifier saw, in words and as JSON. Results and `predict` call it."""

from __future__ import annotations

from typing import Any

from gateway.records import Lungs, Region


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
