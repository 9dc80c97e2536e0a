"""The page that is signed shows what was found, also where the profile costs, and runs nothing of a name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gateway.commissioning.commission import Evidence
from gateway.commissioning.cross_validation import Scored, part_of
from gateway.commissioning.report import report_page
from gateway.model.card import ModelCard
from gateway.model.predictor import SHIPPED, read_model
from gateway.model.profile import Area, Figures, read_profile_card
from tests.support.profiles import profile_in

HOSTILE = """St. "Söhne" & <script>alert('東京')</script>"""


@pytest.fixture(scope="module")
def model() -> ModelCard:
    return read_model(SHIPPED)[0]


def page(folder: Path, model: ModelCard, negative: int, found: int | None = None) -> str:
    """Return the page of a site where the shipped model leaves 18 of 20 negative, and the profile so many.

    With `found`, the shipped model finds 18 of 20 sick chests, and the profile so many.
    """
    before, after = figures(18, found and 18), figures(negative, found)
    sha256 = profile_in(folder, model, {}, site=HOSTILE, before=before, after=after)
    odds = np.linspace(-3, 1, 20)
    scored = Scored(odds, np.empty(0), odds)
    card, _ = read_profile_card(folder)
    return report_page(card, sha256, model, Evidence(scored, scored, 0.0, 0.5))


def figures(negative: int, found: int | None) -> Figures:
    if found is None:
        return Figures(specificity=part_of(negative, 20))
    area = Area(value=0.9, low=0.8, high=1)
    return Figures(specificity=part_of(negative, 20), sensitivity=part_of(found, 20), auc=area)


def test_a_name_is_text(tmp_path: Path, model: ModelCard) -> None:
    text = page(tmp_path, model, 18)
    assert "<script" not in text
    assert "St. &#34;Söhne&#34; &amp; &lt;script&gt;alert(&#39;東京&#39;)&lt;/script&gt;" in text


def test_both_networks_and_what_was_not_measured_are_stated(tmp_path: Path, model: ModelCard) -> None:
    text = page(tmp_path, model, 18)
    assert model.lungs
    assert model.weights.sha256 in text
    assert model.lungs.sha256 in text
    assert "<b>Not measured</b>: no sick images were given" in text


def test_a_profile_that_costs_specificity_says_so(tmp_path: Path, model: ModelCard) -> None:
    told = "more normal chests are called Pneumonia than without it"
    assert told in page(tmp_path / "lower", model, 17)
    assert told not in page(tmp_path / "equal", model, 18)


def test_a_profile_that_costs_sensitivity_says_so(tmp_path: Path, model: ModelCard) -> None:
    told = "more sick chests are called Normal than without it"
    assert told in page(tmp_path / "lower", model, 18, found=17)
    assert told not in page(tmp_path / "equal", model, 18, found=18)


def test_the_page_fits_a_telephone(tmp_path: Path, model: ModelCard) -> None:
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in page(tmp_path, model, 18)
