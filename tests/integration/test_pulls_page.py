"""The page of studies that are fetched from sources, and the button that asks for one again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.settings import DicomSource, Schedule
from gateway.store.entries import FoundInstance, FoundStudy, PullState
from gateway.store.source_rows import SourceRows
from gateway.web.pages import pulls_page
from gateway.web.site import Site
from tests.support.site import Browser, add_image, browsing, site_in

SOURCE = DicomSource(name="pacs", kind="dicom", ae_title="PACS", host="127.0.0.1", port=104)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_in(tmp_path, sections={"sources": (SOURCE,)})


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with browsing(site) as browser:
        yield browser


def fetched(site: Site, study: str, *images: str, attempts: int = 1, detail: str = "") -> None:
    """Look for a study that lists these images, and end an attempt to fetch it."""
    site.pulls.record_found("pacs", [FoundStudy(study, "20261101", ("DX",), len(images))])
    pull = site.pulls.claim("pacs", study)
    assert pull is not None
    site.pulls.record_listed(pull, [FoundInstance(uid, "1.9") for uid in images])
    site.pulls.settle(pull, detail, is_listed=True, most_attempts=attempts, first_retry_seconds=60)


def test_the_page_says_what_became_of_each_study(site: Site, browser: Browser) -> None:
    assert "No study has been found yet" in browser.get("/pulls").text
    add_image(site, 1)
    fetched(site, "1.8.1", "1.2.1")
    fetched(site, "1.8.2", "1.2.1", "1.2.66", "1.2.67", attempts=5, detail="status A702 <b>")
    fetched(site, "1.8.3", "1.2.68", detail="refused")
    page = browser.get("/pulls").text
    rows = {row.split('class="hash">')[1][:40]: row for row in page.split("<tr>")[2:]}
    complete, partial, given_up = (
        next(row for key, row in rows.items() if study in key) for study in ("1.8.1", "1.8.2", "1.8.3")
    )
    assert "complete" in complete
    assert "1/1" in complete
    assert "2026-11-01" in complete
    assert "1/3" in partial
    assert "2 missing: status A702 &lt;b&gt;" in partial
    assert "1.2.66" in partial
    assert "1 failed attempt, asked again" in partial
    assert "given up" in given_up
    only = browser.get("/pulls?state=given_up&source=pacs").text
    assert "1.8.3" in only
    assert "1.8.2" not in only
    assert "/pulls" in browser.get("/").text


def test_a_study_that_was_given_up_is_asked_for_again(site: Site, browser: Browser) -> None:
    fetched(site, "1.8.3", "1.2.68", detail="refused")
    form = {"source": "pacs", "study_instance_uid": "1.8.3", "shown_state": "given_up"}
    foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.post("/pulls/again", data=form, headers=foreign).status_code == 403
    with capture_logs() as logged:
        answer = browser.post("/pulls/again", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/pulls?state=given_up")
    assert [each["event"] for each in logged] == ["study_asked_again"]
    (view,) = site.pulls.of_study("1.8.3")
    assert (view.pull.state, view.pull.attempts, view.pull.detail) == (PullState.FOUND, 0, None)
    assert site.pulls.claim("pacs") is not None
    assert browser.post("/pulls/again", data=form | {"study_instance_uid": "1.8.9"}).status_code == 404


def test_a_study_that_is_being_asked_for_is_left_alone(site: Site, browser: Browser) -> None:
    site.pulls.record_found("pacs", [FoundStudy("1.8.1")])
    pull = site.pulls.claim("pacs")
    assert pull is not None
    site.pulls.record_listed(pull, [FoundInstance("1.2.1", "1.9")])
    assert "Ask again for" not in browser.get("/pulls").text
    browser.post("/pulls/again", data={"source": "pacs", "study_instance_uid": "1.8.1"})
    (view,) = site.pulls.of_study("1.8.1")
    assert view.pull.state == PullState.ASKED


def test_the_page_says_how_far_back_the_schedule_looks_and_when_it_looked_last(tmp_path: Path) -> None:
    by_schedule = SOURCE.model_copy(update={"schedule": Schedule(overlap_days=3, sweep_days=30)})
    site = site_in(tmp_path, sections={"sources": (by_schedule,)})
    with browsing(site) as browser:
        assert "pacs has not been searched yet" in browser.get("/pulls").text
        local = datetime.fromisoformat("2026-11-01T12:34:56")
        SourceRows(site.ledger).record_searched("pacs", ["overlap", "recent"], local)
        page = browser.get("/pulls").text
    assert "pacs was searched 2026-11-01 12:34:56" in page
    assert "Studies of the last 3 days" in page
    assert "at 02:00 those of the last 30 days" in page


def test_without_sources_the_page_says_so_and_is_in_no_menu(tmp_path: Path) -> None:
    with browsing(site_in(tmp_path)) as browser:
        assert "There are no sources" in browser.get("/pulls").text
        assert 'href="/pulls"' not in browser.get("/").text


def test_every_study_is_on_one_of_the_pages(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulls_page, "ROWS", 2)
    names = [f"1.8.{number}" for number in range(5)]
    site.pulls.record_found("pacs", [FoundStudy(name) for name in names])
    seen, address, pages = [], "/pulls?state=found", 0
    while address:
        page = browser.get(address).text
        seen += [name for name in reversed(names) if f">{name}</small>" in page]
        assert (">Newest</a>" in page) == (pages > 0)
        links = [part.split('"')[0] for part in page.split('href="') if 'rel="next"' in part]
        address, pages = links[0].replace("&amp;", "&") if links else "", pages + 1
    assert (seen, pages) == ([*reversed(names)], 3)
    assert browser.get("/pulls?behind=1-x").status_code == 422


def test_a_study_that_changes_meanwhile_leads_no_page_back_to_the_front(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulls_page, "ROWS", 2)
    site.pulls.record_found("pacs", [FoundStudy(f"1.8.{number}") for number in range(4)])
    page = browser.get("/pulls").text
    (older,) = [part.split('"')[0] for part in page.split('href="') if 'rel="next"' in part]
    fetched(site, "1.8.2", "1.2.66")
    page = browser.get(older).text
    assert [name for name in ("1.8.0", "1.8.1", "1.8.2", "1.8.3") if f">{name}</small>" in page] == [
        "1.8.0",
        "1.8.1",
    ]
