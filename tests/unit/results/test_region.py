"""What the model was shown of the image is said in the same words everywhere."""

from __future__ import annotations

from gateway.records import Box, Lungs, WholeImage
from gateway.results.region import region_document, region_in_words
from tests.support.answers import LUNGS

ONE_SIDED = WholeImage("a lung was found on one side alone")


def test_a_crop_is_told_by_its_box_and_coverage() -> None:
    assert region_in_words(LUNGS) == (
        "shown to the model: the lungs, 10 to 90 % of the width and 15 to 85 % of the height; "
        "lungs cover 31 % of the image"
    )


def test_a_whole_image_is_told_with_its_reason() -> None:
    assert region_in_words(ONE_SIDED) == (
        "shown to the model: the whole image, because a lung was found on one side alone"
    )


def test_programs_get_shares_of_the_image() -> None:
    assert region_document(LUNGS) == {
        "outcome": "cropped",
        "text": region_in_words(LUNGS),
        "box": {"left": 0.1, "top": 0.15, "right": 0.9, "bottom": 0.85},
        "coverage": 0.31,
        "reason": None,
    }
    told = {"outcome": "whole", "text": region_in_words(ONE_SIDED), "box": None, "coverage": None}
    assert region_document(ONE_SIDED) == told | {"reason": "a lung was found on one side alone"}
    nothing = WholeImage("no lungs were found in the image", empty=True)
    assert region_document(nothing)["outcome"] == "no_lungs"


def test_the_lungs_of_a_part_are_told_as_those_of_the_image() -> None:
    moved = LUNGS.within(Box(0, 0.5, 1, 1))
    assert isinstance(moved, Lungs)
    assert "10 to 90 % of the width and 57 to 92 % of the height; lungs cover 16 %" in region_in_words(moved)
