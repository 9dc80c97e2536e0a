"""What an answer and its results depend on beside the image: another setting of results is another answer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings import Results, Settings
from gateway.worker.answering import answering_of
from tests.support.answers import MODEL

OTHERS: dict[str, Any] = {
    "sr": "comprehensive",
    "secondary_capture": False,
    "compression": "rle",
    "lung_outline": True,
    "hl7": {},
    "presentation_state": True,
    "fhir": {},
    "pdf": True,
}
PLAIN = answering_of(Settings(), MODEL)


@pytest.mark.parametrize("name", sorted(Results.model_fields.keys() - {"pdf_fonts"}))
def test_every_setting_of_results_is_part_of_the_answer(name: str) -> None:
    assert answering_of(Settings(results={name: OTHERS[name]}), MODEL) != PLAIN


def test_fonts_are_part_of_an_answer_that_has_pages() -> None:
    fonts = {"pdf_fonts": ["/usr/share/fonts/another.ttf"]}
    assert answering_of(Settings(results=fonts), MODEL) == PLAIN
    with_pages, others = (answering_of(Settings(results=each | {"pdf": True}), MODEL) for each in ({}, fonts))
    assert with_pages != others
    assert others["pdf_fonts"] == fonts["pdf_fonts"]  # as JSON keeps it in a worker's heartbeat


def test_defaults_have_no_key_and_what_is_set_keeps_its_own() -> None:
    assert not PLAIN.keys() & OTHERS.keys()
    settings = Settings(results={"compression": "rle", "hl7": {}, "lung_outline": True})
    assert settings.results.hl7
    message = settings.results.hl7.model_dump()
    as_earlier = PLAIN | {"compression": "rle", "hl7": message, "lung_outline": True}
    assert answering_of(settings, MODEL) == as_earlier
