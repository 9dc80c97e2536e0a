"""Pages and doctor say to which site the model is fitted, and warn of answers that no site has."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.doctor.answers import answers
from gateway.doctor.finding import Severity
from gateway.records import FittedSite
from gateway.web.site import Site
from gateway.worker.plausibility import LEAST, judge_first_answers
from tests.support.site import add_answer, add_image, answer_again, browsing, site_in
from tests.support.sources import dx


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_in(tmp_path)


def test_the_report_says_to_which_site_the_model_is_fitted(site: Site) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    add_image(site, 2, dx(SOPInstanceUID="2.25.77"))
    answer_again(site, 2, site=FittedSite("St. Elsewhere", "2026-05-17", "ab" * 32))
    with browsing(site) as browser:
        plain, fitted = (browser.get(f"/instances/{each}").text for each in (uid, "2.25.77"))
    assert "Not fitted to this site" in plain
    assert f"Fitted to St. Elsewhere, 2026-05-17, SHA-256 {'ab' * 32}" in fitted
    assert "Not fitted" not in fitted


def test_dashboard_and_doctor_warn_of_answers_that_no_site_has(site: Site) -> None:
    for number in range(1, LEAST):
        add_answer(site, number)  # each is Pneumonia
    assert judge_first_answers(site.settings, site.ledger) is None
    assert list(answers(site.settings)) == []
    add_answer(site, LEAST)
    with browsing(site) as browser:
        page = browser.get("/dashboard").text
    assert "The answers are implausible for this site" in page
    assert f"{LEAST} of the first {LEAST} answers are Pneumonia" in page
    (doubt,) = answers(site.settings)
    assert doubt.verdict is Severity.DOUBTFUL
    assert "gateway commission" in doubt.advice


def test_answers_of_another_model_are_judged_apart(site: Site) -> None:
    for number in range(1, LEAST + 1):
        add_answer(site, number)
    add_image(site, LEAST + 1, dx())
    answer_again(site, LEAST + 1, version="3")
    assert judge_first_answers(site.settings, site.ledger) is None
