"""Patient Orientation: where rows and columns point to (PS3.3 C.7.6.1.1.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Self

_AXES = {"L": "X", "R": "X", "A": "Y", "P": "Y", "H": "Z", "F": "Z"}
_CLOCKWISE = "LFRH"  # directions in a frontal picture as it is hung: to the right, down, left, up


class Plane(Enum):
    """How the picture lies in the patient."""

    FRONTAL = "frontal"
    SAGITTAL = "sagittal"
    TILTED = "tilted"


@dataclass(frozen=True, slots=True)
class Orientation:
    """Letters of the direction of the rows, and of the columns, the strongest first."""

    rows: str
    columns: str

    @classmethod
    def of(cls, values: Sequence[str]) -> Self | None:
        """Return the orientation where both directions of a biped are stated and span a plane."""
        if len(values) != 2 or not all(letter in _AXES for value in values for letter in value):
            return None
        rows, columns = values
        return cls(rows, columns) if rows and columns and _AXES[rows[0]] != _AXES[columns[0]] else None

    def __str__(self) -> str:
        return f"{self.rows}\\{self.columns}"

    @property
    def plane(self) -> Plane:
        """Frontal only where nothing points forwards or backwards."""
        axes = {_AXES[letter] for letter in self.rows + self.columns}
        if "Y" not in axes:
            return Plane.FRONTAL
        return Plane.SAGITTAL if self._parallel_to_one_axis() else Plane.TILTED

    @property
    def notes(self) -> tuple[str, ...]:
        """How a frontal picture differs from one that is hung as readers are used to, in words."""
        at, down = (_CLOCKWISE.find(value[0]) for value in (self.rows, self.columns))
        if at < 0 or down < 0 or (at, down) == (0, 1):
            return ()
        mirrored = (down - at) % 4 == 3
        turned = 90 * ((at - 2) % 4 if mirrored else -at % 4)
        ways = ["mirrored"] * mirrored + [f"turned clockwise by {turned} degrees"] * bool(turned)
        return (f"Patient Orientation {self}: the picture is {', then '.join(ways)}, and is shown so",)

    def _parallel_to_one_axis(self) -> bool:
        """Tell whether neither direction mixes sideways with forwards or backwards."""
        return all({"X", "Y"} - {_AXES[letter] for letter in value} for value in (self.rows, self.columns))
