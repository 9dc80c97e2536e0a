"""A measured value and its yardstick."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Yardstick:
    """A value for comparison, measured in the same run and unit."""

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
    """Size of the measurements.

    Attributes
    ----------
    repeats
        Repetitions of a single call; the shortest counts, since other work only adds time.
    rounds
        Rounds of receiving; the best counts.
    received
        Images per sender and round of receiving.
    answered
        Images per end-to-end run, over all senders.
    predicted
        Files for `gateway predict`.
    idle_seconds
        Time for which a gateway without work is watched.
    """

    repeats: int
    rounds: int
    received: int
    answered: int
    predicted: int
    idle_seconds: float


FULL = Effort(repeats=15, rounds=3, received=12, answered=60, predicted=600, idle_seconds=60)
QUICK = Effort(repeats=3, rounds=1, received=4, answered=12, predicted=60, idle_seconds=20)
