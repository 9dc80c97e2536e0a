"""Whether the first answers of a model are plausible for the site. `gateway doctor` and the dashboard ask.

The rule is coarse, so that it is right where it speaks: an interval of the observed share must lie outside of
what any site shows. docs/commissioning.md states the rule in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.errors import ConfigurationError
from gateway.model.card import ModelCard
from gateway.model.fraction import Fraction
from gateway.model.predictor import card_at
from gateway.model.profile import ProfileCard, read_profile_card
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.queries.first_answers import FirstAnswers, first_answers

MOST = 100
"""Answers that are judged: the first ones of a model."""

LEAST = 30
"""Answers below which nothing is said."""

MOST_SICK = 0.3
"""Share of chests with the finding beyond which no site is expected to be."""

MOST_ABSTAINED = 0.1

_SPECIFICITY, _SENSITIVITY = 0.9, 1.0  # of a model whose card has no figures
_LOWEST, _MEDIAN = 0, 2  # places in the quantiles of a profile


class Expected(NamedTuple):
    """Figures that a site's answers are judged by; `normal` are quantiles (5 to 95 %) of normal scores."""

    specificity: float
    sensitivity: float
    normal: tuple[float, ...] = ()


class Judgement(NamedTuple):
    """Number of answers that were judged, and what is implausible about them, one sentence each."""

    answers: int
    doubts: tuple[str, ...]


def judge_first_answers(settings: Settings, ledger: Ledger) -> Judgement | None:
    """Judge the first answers of the model in use; None while there are too few, or of other settings.

    Raises
    ------
    Retry
        If the database is away.
    """
    given = first_answers(ledger, MOST)
    if given is None or len(given.answers) < LEAST:
        return None
    try:
        expected = _expected(settings, given)
    except ConfigurationError:  # doctor's check of the model says what is wrong
        return None
    return Judgement(len(given.answers), tuple(doubts(given, expected))) if expected else None


def doubts(given: FirstAnswers, expected: Expected) -> Iterator[str]:
    """Yield what is implausible about answers."""
    scores = [score for _, score in given.answers if score is not None]
    abstained = Fraction(len(given.answers) - len(scores), len(given.answers))
    if _low(abstained) > MOST_ABSTAINED:
        yield f"{abstained.part} of the first {abstained.whole} images have no answer, as the model abstains"
    if len(scores) < LEAST:
        return
    positive = Fraction(sum(label == given.positive for label, _ in given.answers), len(scores))
    told = f"{positive.part} of the first {positive.whole} answers are {given.positive}"
    most = MOST_SICK * expected.sensitivity + (1 - MOST_SICK) * (1 - expected.specificity)
    if _low(positive) > most:
        yield f"{told}; with 30 % sick chests, it were at most {100 * most:.0f} %"
    elif _high(positive) < (1 - expected.specificity) / 2:
        false = 100 * (1 - expected.specificity)
        yield f"{told}; of normal chests alone, about {false:.0f} % would be"
    yield from _moved(scores, expected.normal)


def _moved(scores: list[float], normal: tuple[float, ...]) -> Iterator[str]:
    """Yield how the scores lie beside those of the normal chests of the profile."""
    if not normal:
        return
    below_median = Fraction(sum(score <= normal[_MEDIAN] for score in scores), len(scores))
    below_lowest = Fraction(sum(score < normal[_LOWEST] for score in scores), len(scores))
    if _high(below_median) < 0.25:
        yield (
            f"{below_median.part} of the first {below_median.whole} scores lie below the median of the "
            "profile's normal chests: the scores have moved up"
        )
    if _low(below_lowest) > 0.25:
        yield (
            f"{below_lowest.part} of the first {below_lowest.whole} scores lie below almost all of the "
            "profile's normal chests: the scores have moved down"
        )


def _expected(settings: Settings, given: FirstAnswers) -> Expected | None:
    """Return the figures of profile or card; None where other settings gave the answers."""
    path = settings.model.profile
    if path is None:
        return None if given.site else _of_card(card_at(settings.model.path))
    profile, sha256 = read_profile_card(path)
    return _of_profile(profile) if given.site and given.site.endswith(sha256) else None


def _of_profile(profile: ProfileCard) -> Expected:
    found = profile.after
    specificity, sensitivity = found.specificity.value, found.sensitivity
    return Expected(specificity, sensitivity.value if sensitivity else _SENSITIVITY, profile.scores.normal)


def _of_card(card: ModelCard | None) -> Expected:
    """Return the lowest specificity and the highest sensitivity that the card states."""
    sets = card.metrics.values() if card else ()
    specificities = [each["specificity"] for each in sets if "specificity" in each]
    sensitivities = [each["sensitivity"] for each in sets if "sensitivity" in each]
    return Expected(min(specificities, default=_SPECIFICITY), max(sensitivities, default=_SENSITIVITY))


def _low(share: Fraction) -> float:
    return share.interval[0] if share.interval else 0.0


def _high(share: Fraction) -> float:
    return share.interval[1] if share.interval else 1.0
