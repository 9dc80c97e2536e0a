"""The part of an image that the classifier saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Box(NamedTuple):
    """Edges of a part of an image, as shares of its width and height, 0–1."""

    left: float
    top: float
    right: float
    bottom: float

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return a point of this part as a point of the image."""
        return self.left + x * (self.right - self.left), self.top + y * (self.bottom - self.top)


Outline = tuple[tuple[float, float], ...]
"""A closed polygon: (x, y) of its corners, as shares of an image's width and height, 0–1."""


@dataclass(frozen=True, slots=True)
class Lungs:
    """The classifier saw the box around the lungs.

    Attributes
    ----------
    box
        The box around both lungs with its margin, within the image.
    coverage
        Share of the image that is lung, 0–1.
    outlines
        The lung on the left and the lung on the right of the image.
    hull
        Convex hull of both lungs with its margin; `box` is the box around it.
    """

    box: Box
    coverage: float
    outlines: tuple[Outline, Outline]
    hull: Outline

    outcome = "cropped"

    def within(self, part: Box) -> Lungs:
        """Return the lungs of this part of an image as those of the image."""
        left, right = (tuple(part.place(*point) for point in each) for each in self.outlines)
        return Lungs(
            box=Box(*part.place(self.box.left, self.box.top), *part.place(self.box.right, self.box.bottom)),
            coverage=self.coverage * (part.right - part.left) * (part.bottom - part.top),
            outlines=(left, right),
            hull=tuple(part.place(*point) for point in self.hull),
        )


@dataclass(frozen=True, slots=True)
class WholeImage:
    """The classifier saw the whole image.

    Attributes
    ----------
    reason
        Why it is not cropped to the lungs; completes a sentence.
    empty
        Nothing in the image looks like lungs: the model abstains.
    """

    reason: str
    empty: bool = False

    @property
    def outcome(self) -> str:
        """A word for programs: `no_lungs`, or `whole`."""
        return "no_lungs" if self.empty else "whole"


Region = Lungs | WholeImage
"""The part of an image that the classifier of a model with a lung network saw."""
