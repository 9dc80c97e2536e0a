"""One measured value and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What a figure is compared with: measured in the same run, in the same unit."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    name: str
    value: float
    unit: str
    yardstick: Yardstick | None = None

    @property
    def ratio(self) -> float | None:
        """Return the figure divided by its yardstick."""
        return self.value / self.yardstick.value if self.yardstick else None


@dataclass(frozen=True, slots=True)
class Effort:
    """How much of everything is measured.

    Attributes
    ----------
    repeats
        Of a single call; the shortest counts, since other work on the machine only adds.
    rounds
        Of receiving; the best counts.
    received
        Images per sender and round of receiving.
    answered
        Images in all, per run end to end.
    predicted
        Files in the folder that `gateway predict` reads.
    """

    repeats: int
    rounds: int
    received: int
    answered: int
    predicted: int


FULL = Effort(repeats=15, rounds=3, received=12, answered=60, predicted=600)
QUICK = Effort(repeats=3, rounds=1, received=4, answered=12, predicted=60)
