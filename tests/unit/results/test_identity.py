"""Same answer, same object, same bytes; anything else, another object."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gateway.records import SC, SR, GreyImage
from gateway.results.answer import Answer, percent
from gateway.results.encoding import encode
from gateway.results.identity import result_uid, series_uid
from gateway.results.secondary_capture import secondary_capture
from gateway.results.source_header import source_header
from gateway.results.structured_report import structured_report
from tests.support.answers import MODEL, PNEUMONIA, answer, prediction
from tests.support.sources import dx

GREY = GreyImage(np.full((60, 50), 30000, np.uint16), ())
NAME = {
    "source_sop_instance_uid": "1.2.3",
    "pixel_digest": "d1",
    "device_uid": "1.2.4",
    "configuration": "c0",
    "kind": SR,
}


def test_the_same_name_gives_the_same_uid() -> None:
    uid = result_uid(**NAME)
    assert uid == result_uid(**NAME)
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert series_uid(uid) != uid


@pytest.mark.parametrize("part", NAME)
def test_every_part_of_the_name_counts(part: str) -> None:
    changed: Any = SC if part == "kind" else f"{NAME[part]}0"
    assert result_uid(**(NAME | {part: changed})) != result_uid(**NAME)


def test_encoding_twice_gives_the_same_bytes() -> None:
    source = source_header(dx())
    assert encode(structured_report(source, answer())) == encode(structured_report(source, answer()))
    assert encode(secondary_capture(source, GREY, answer())) == encode(
        secondary_capture(source, GREY, answer())
    )


@pytest.mark.parametrize(
    "other",
    [
        answer(configuration="c1" * 32),
        answer(pixel_digest="d2" * 32),
        answer(prediction(0.875, model=replace(MODEL, weights_sha256="6f" * 32))),
    ],
)
def test_another_answer_is_another_object(other: Answer) -> None:
    source = source_header(dx())
    first, second = structured_report(source, answer()), structured_report(source, other)
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID != second.SeriesInstanceUID


def test_sr_and_sc_are_series_of_their_own() -> None:
    source = source_header(dx())
    report, capture = structured_report(source, answer()), secondary_capture(source, GREY, answer())
    assert len({report.SeriesInstanceUID, capture.SeriesInstanceUID, source.dataset.SeriesInstanceUID}) == 3


@pytest.mark.parametrize(
    ("p", "threshold", "expected"),
    [
        (0.875, 0.5, 87.5),
        (0.0, 0.5, 0.0),
        (1.0, 0.5, 100.0),
        (0.4996, 0.5, 49.9),  # 50.0 would contradict the answer
        (0.41234, 0.4123, 41.3),  # 41.2 would
        (0.41236, 0.4123, 41.3),
    ],
)
def test_rounding_never_carries_the_score_over_the_threshold(
    p: float, threshold: float, expected: float
) -> None:
    assert percent(prediction(p, model=replace(MODEL, threshold=threshold))) == expected


def test_an_abstention_has_no_score() -> None:
    assert percent(replace(PNEUMONIA, score=None)) is None
