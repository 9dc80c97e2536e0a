"""Patient Orientation: directions of rows and columns in the patient (PS3.3 C.7.6.1.1.1). `view` calls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Self

_AXES = {"L": "X", "R": "X", "A": "Y", "P": "Y", "H": "Z", "F": "Z"}
_CLOCKWISE = "LFRH"  # directions in a frontal image in its usual hanging: right, down, left, up


class Plane(Enum):
    """Plane of the image in the patient."""

    FRONTAL = "frontal"
    SAGITTAL = "sagittal"
    TILTED = "tilted"


@dataclass(frozen=True, slots=True)
class Orientation:
    """Direction of the rows and of the columns, as letters, the dominant letter first."""

    rows: str
    columns: str

    @classmethod
    def of(cls, values: Sequence[str]) -> Self | None:
        """Return the orientation, or None unless both directions are given for a biped and span a plane."""
        if len(values) != 2 or not all(letter in _AXES for value in values for letter in value):
            return None
        rows, columns = values
        return cls(rows, columns) if rows and columns and _AXES[rows[0]] != _AXES[columns[0]] else None

    def __str__(self) -> str:
        return f"{self.rows}\\{self.columns}"

    @property
    def plane(self) -> Plane:
        """The plane of the image; frontal only where no direction points forwards or backwards."""
        axes = {_AXES[letter] for letter in self.rows + self.columns}
        if "Y" not in axes:
            return Plane.FRONTAL
        return Plane.SAGITTAL if self._parallel_to_one_axis() else Plane.TILTED

    @property
    def notes(self) -> tuple[str, ...]:
        """Difference of a frontal image from the usual hanging, in words; empty where there is none."""
        at, down = (_CLOCKWISE.find(value[0]) for value in (self.rows, self.columns))
        if at < 0 or down < 0 or (at, down) == (0, 1):
            return ()
        mirrored = (down - at) % 4 == 3
        turned = 90 * ((at - 2) % 4 if mirrored else -at % 4)
        ways = ["mirrored"] * mirrored + [f"turned clockwise by {turned} degrees"] * bool(turned)
        return (f"Patient Orientation {self}: the image is {', then '.join(ways)}, and is shown so",)

    def _parallel_to_one_axis(self) -> bool:
        """Tell whether neither direction mixes sideways with forwards or backwards."""
        return all({"X", "Y"} - {_AXES[letter] for letter in value} for value in (self.rows, self.columns))
