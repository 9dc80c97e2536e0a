"""Retry and send again for many images: by a search or by ticked rows, after the number was told."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gateway.store.outbox import Outbox
from gateway.store.schema import deliveries, instances
from gateway.telemetry.audit import trail
from gateway.web.pages import bulk
from gateway.web.site import Site
from tests.support.ledger_rows import state
from tests.support.site import Browser, add_answer, add_image
from tests.support.sources import dx

FOREIGN = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}


@pytest.fixture
def audited(site: Site) -> Iterator[Site]:
    trail.open_trail(site.settings)
    yield site
    trail.close_trail()


def fail(site: Site, *uids: str) -> None:
    """Let the deliveries of images be given up."""
    with site.ledger.transaction() as connection:
        connection.execute(deliveries.update().values(state="dead", open=False))
        these = instances.c.sop_instance_uid.in_(uids)
        connection.execute(instances.update().where(these).values(state="failed", reason="not_delivered"))


def three_failed(site: Site) -> None:
    for number in (1, 2, 3):
        add_answer(site, number, dx(SOPInstanceUID=f"1.2.{number}"), calling_ae_title=f"CR{number % 2}")
    fail(site, "1.2.1", "1.2.2", "1.2.3")


def confirmed(browser: Browser, query: str, **changes: str) -> tuple[int, str]:
    """Ask for the number, and send the form that the page has."""
    asked = browser.get(f"/bulk?{query}").text
    form = dict(re.findall(r'name="(count|newest)" value="(\d+)"', asked))
    answer = browser.post(f"/bulk?{query}", data=form | changes)
    return answer.status_code, answer.text


def states(site: Site) -> list[str]:
    return [state(site.ledger, f"1.2.{number}")[0] for number in (1, 2, 3)]


def test_a_search_is_retried_after_its_number_was_told(audited: Site, browser: Browser) -> None:
    three_failed(audited)
    asked = browser.get("/bulk?action=retry&ae=CR1").text
    assert "<b>2</b> of 2 have failed" in asked
    assert states(audited) == ["failed"] * 3
    status, told = confirmed(browser, "action=retry&ae=CR1")
    assert status == 200
    assert "0 images wait for an answer again, 2 results" in told
    assert states(audited) == ["inferred", "failed", "inferred"]
    lines = [
        line
        for file in audited.settings.directory.audit.glob("*.log")
        for line in file.read_text().splitlines()
        if "bulk retried" in line
    ]
    assert len(lines) == 1
    assert "2 images ae CR1" in lines[0]


def test_ticked_rows_alone_are_retried(site: Site, browser: Browser) -> None:
    three_failed(site)
    add_image(site, 4)
    status, _ = confirmed(browser, "action=retry&row=2&row=4&row=99")
    assert (status, states(site)) == (200, ["failed", "inferred", "failed"])


def test_what_was_delivered_is_sent_again(site: Site, browser: Browser) -> None:
    three_failed(site)
    confirmed(browser, "action=retry")
    outbox = Outbox(site.ledger)
    for each in outbox.claim("outbox", "worker", 10):
        outbox.record_stored(each)
    assert states(site) == ["delivered"] * 3
    assert confirmed(browser, "action=resend", to="nowhere")[0] == 400
    status, told = confirmed(browser, "action=resend", to="outbox")
    assert status == 200
    assert "3 results of 3 images" in told
    assert states(site) == ["inferred"] * 3
    assert "0 results of 0 images" in confirmed(browser, "action=resend")[1]


def test_images_that_came_after_the_number_was_told_are_left_alone(site: Site, browser: Browser) -> None:
    three_failed(site)
    form = {"count": "3", "newest": "3"}
    add_answer(site, 5, dx(SOPInstanceUID="1.2.5"))
    fail(site, "1.2.5")
    assert browser.post("/bulk?action=retry", data=form).status_code == 200
    assert state(site.ledger, "1.2.5")[0] == "failed"
    assert states(site) == ["inferred"] * 3


def test_another_number_than_was_told_is_told_again(site: Site, browser: Browser) -> None:
    three_failed(site)
    answer = browser.post("/bulk?action=retry", data={"count": "2", "newest": "4"})
    assert answer.status_code == 409
    assert "has changed" in answer.text
    assert states(site) == ["failed"] * 3


def test_there_is_a_bound_and_another_site_cannot_ask(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_failed(site)
    asked = {"count": "3", "newest": "4"}
    assert browser.post("/bulk?action=retry", data=asked, headers=FOREIGN).status_code == 403
    monkeypatch.setattr(bulk, "MOST_IMAGES", 2)
    assert "More than 2 images match" in browser.get("/bulk?action=retry").text
    assert browser.post("/bulk?action=retry", data=asked).status_code in (409, 422)
    assert states(site) == ["failed"] * 3
