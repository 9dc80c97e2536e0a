"""Readers against the model, counted by hand beside it."""

import pytest

from gateway.model.fraction import Fraction
from gateway.records import Presence
from gateway.store.entries import Agreement
from gateway.web.pages.concordance import Reading, by, calibration, concordance

PRESENT, ABSENT, UNDETERMINED = Presence.PRESENT, Presence.ABSENT, Presence.UNDETERMINED
AGREE, DISAGREE, UNSURE = Agreement.AGREE, Agreement.DISAGREE, Agreement.UNSURE
READINGS = [
    Reading(PRESENT, 0.95, AGREE, "A"),
    Reading(PRESENT, 0.85, AGREE, "A"),
    Reading(PRESENT, 0.65, DISAGREE, "B"),
    Reading(ABSENT, 0.05, AGREE, "A"),
    Reading(ABSENT, 0.45, DISAGREE, "A"),
    Reading(ABSENT, 0.15, UNSURE, "B"),
    Reading(UNDETERMINED, None, AGREE, "B"),
]


def test_the_confusion_matrix_follows_from_what_readers_say() -> None:
    found = concordance("all", READINGS)
    assert (found.agree, found.disagree, found.unsure, found.readings) == (4, 2, 1, 7)
    cells = (found.true_positive, found.false_positive, found.false_negative, found.true_negative)
    assert cells == (2, 1, 1, 1)
    assert found.agreement.value == pytest.approx(4 / 6)
    assert found.sensitivity == Fraction(2, 3)
    assert found.specificity == Fraction(1, 2)


def test_groups_come_largest_first() -> None:
    groups = by(lambda each: each.calling_ae_title, READINGS)
    assert [(group.name, group.readings) for group in groups] == [("A", 4), ("B", 3)]


def test_calibration_compares_scores_with_readers() -> None:
    found = calibration(READINGS)
    assert [each.found.part for each in found.bins] == [0, 1, 0, 1, 1]
    assert found.expected_error == pytest.approx((0.05 + 0.55 + 0.65 + 0.15 + 0.05) / 5)
    assert found.brier == pytest.approx((0.05**2 + 0.55**2 + 0.65**2 + 0.15**2 + 0.05**2) / 5)


def test_nothing_read_is_nothing_said() -> None:
    assert concordance("none", []).agreement.value is None
    assert calibration([]).expected_error is None


def test_wilsons_interval_of_eight_in_ten() -> None:
    assert Fraction(8, 10).interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
