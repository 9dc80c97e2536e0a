"""Agreement of readers and model: counts, confusion matrix, calibration. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.model.fraction import Fraction
from gateway.records import Presence
from gateway.store.entries import Agreement
from gateway.store.queries.views import FeedbackView, finds

BINS = 10


@dataclass(frozen=True, slots=True)
class Reading:
    """One reader's last word on one answer; `score` is None where the model abstained."""

    presence: Presence
    score: float | None
    verdict: Agreement
    calling_ae_title: str = ""
    scanner: str = ""

    @classmethod
    def of(cls, said: FeedbackView) -> Reading:
        """Take a reading out of feedback."""
        return cls(said.presence, said.score, said.verdict, said.calling_ae_title, said.scanner or "")

    @property
    def finds(self) -> bool | None:
        """The finding as the reader sees it; None where that does not follow."""
        return finds(self.presence, self.verdict)


@dataclass(frozen=True, slots=True)
class Concordance:
    """Counts over some readings. Rows of the confusion matrix are what the reader says, columns the model."""

    name: str
    agree: int
    disagree: int
    unsure: int
    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def readings(self) -> int:
        """All of them, the unsure too."""
        return self.agree + self.disagree + self.unsure

    @property
    def agreement(self) -> Fraction:
        """Share of the readers' clear words that agree with the answer."""
        return Fraction(self.agree, self.agree + self.disagree)

    @property
    def sensitivity(self) -> Fraction:
        """Of the images in which readers see the finding, the part in which the model does too."""
        return Fraction(self.true_positive, self.true_positive + self.false_negative)

    @property
    def specificity(self) -> Fraction:
        """Of the images in which readers see no finding, the part in which the model sees none either."""
        return Fraction(self.true_negative, self.true_negative + self.false_positive)


class Bin(NamedTuple):
    """Readings with scores in one tenth: their mean score, and how often readers see the finding."""

    mean_score: float
    found: Fraction


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scores against what readers say; `expected_error` and `brier` are None without a scored reading."""

    bins: tuple[Bin, ...]
    expected_error: float | None
    brier: float | None


def concordance(name: str, readings: Iterable[Reading]) -> Concordance:
    """Count the readings."""
    counted = list(readings)
    by_verdict = {verdict: sum(each.verdict is verdict for each in counted) for verdict in Agreement}
    judged = [(each.finds, each.presence is Presence.PRESENT) for each in counted]
    return Concordance(
        name,
        agree=by_verdict[Agreement.AGREE],
        disagree=by_verdict[Agreement.DISAGREE],
        unsure=by_verdict[Agreement.UNSURE],
        true_positive=judged.count((True, True)),
        false_positive=judged.count((False, True)),
        false_negative=judged.count((True, False)),
        true_negative=judged.count((False, False)),
    )


def by(key: Callable[[Reading], str], readings: Sequence[Reading]) -> list[Concordance]:
    """Count the readings of each group, the largest group first."""
    names = {key(each) for each in readings}
    groups = [concordance(name, (each for each in readings if key(each) == name)) for name in names]
    return sorted(groups, key=lambda group: (-group.readings, group.name))


def calibration(readings: Iterable[Reading]) -> Calibration:
    """Compare scores with what readers say, in tenths."""
    scored = [
        (each.score, each.finds) for each in readings if each.score is not None and each.finds is not None
    ]
    bins = []
    for number in range(BINS):
        inside = [(p, true) for p, true in scored if min(BINS - 1, int(p * BINS)) == number]
        if inside:
            mean = sum(p for p, _ in inside) / len(inside)
            bins.append(Bin(mean, Fraction(sum(true for _, true in inside), len(inside))))
    if not scored:
        return Calibration((), None, None)
    apart = sum(abs(each.mean_score - (each.found.value or 0)) * each.found.whole for each in bins)
    brier = sum((p - true) ** 2 for p, true in scored) / len(scored)
    return Calibration(tuple(bins), apart / len(scored), brier)
