"""What a source answers to a search, in the ways in which sources write dates and times."""

from datetime import date, time

import pytest

from gateway.pull.answers import study_in
from gateway.pull.query import Period, Query

MORNING = Query(Period(date(2026, 11, 3), date(2026, 11, 3), time(10), time(11, 30)))


def found(day: str, moment: str = "") -> str | None:
    """Return the date of the study in an answer, None where it is not one that was asked for."""
    stated = {"StudyInstanceUID": "1.2.3", "StudyDate": day, "StudyTime": moment}
    study = study_in(lambda keyword: [stated[keyword]] if stated.get(keyword) else [], MORNING)
    return None if study is None else study.study_date


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("20261103", "20261103"),
        ("2026.11.03", "20261103"),
        ("2026-11-03", "20261103"),
        ("2026-11-03T10:00:00", "20261103"),
        ("20261104", None),
        ("2026-11-04", None),
        ("", ""),
        ("2026", ""),
        ("03 Nov 2026", ""),
        ("03.11.2026", ""),
        ("03-11-2026", ""),
        ("31.12.1999", ""),
    ],
)
def test_a_date_that_cannot_be_read_contradicts_nothing(day: str, expected: str | None) -> None:
    assert found(day) == expected


@pytest.mark.parametrize(
    ("moment", "is_found"),
    [
        ("101530", True),
        ("101530.250000", True),
        ("10:15:30.25", True),
        ("1015", True),
        ("10", True),
        ("11", True),
        ("113001", False),
        ("0959", False),
        ("9:15", True),
        ("a quarter past ten", True),
    ],
)
def test_a_time_that_cannot_be_read_contradicts_nothing(moment: str, is_found: bool) -> None:
    assert (found("20261103", moment) is not None) == is_found
