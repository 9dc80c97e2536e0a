"""The page of an image's routes, and the button that sends its results again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.settings import Route
from gateway.store.outbox import Outbox
from gateway.store.schema import instances
from gateway.web.site import Site
from tests.support.site import Browser, add_answer, browsing, site_in
from tests.support.sources import dx

ROUTES = (
    Route(when="PatientID == '<b>'", to=("outbox",)),
    Route(when="Modality == 'DX'", to=("outbox",)),
    Route(to=("outbox",)),
)
HTMX = {"HX-Request": "true"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = site_in(tmp_path, sections={"routes": ROUTES})
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    return site


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with browsing(site) as browser:
        yield browser


def deliver(site: Site) -> None:
    outbox = Outbox(site.ledger)
    for each in outbox.claim("outbox", "worker", 10):
        outbox.record_stored(each)


def state(site: Site) -> str:
    shown = site.images.shown("1.2.1")
    assert shown is not None
    return shown.state


def test_the_page_says_which_route_takes_an_image_and_why_not_the_others(browser: Browser) -> None:
    page = browser.get("/instances/1.2.1/route").text
    rows = page.split("<tr>")[2:]
    assert "condition does not hold" in rows[0]
    assert "PatientID has another value" in rows[0]
    assert "P-0042" not in page
    assert "<b>'" not in page  # the condition is escaped
    assert "its condition holds" in rows[1]
    assert "not reached" in rows[2]
    assert "No route takes this image" not in page
    assert "/instances/1.2.1/route" in browser.get("/instances/1.2.1").text
    assert browser.get("/instances/1.2.9/route").status_code == 404


def test_the_page_says_that_no_condition_can_be_judged_without_the_file(site: Site, browser: Browser) -> None:
    shown = site.images.shown("1.2.1")
    assert shown is not None
    shown.source.unlink()
    assert (
        "A condition cannot be judged: its file cannot be read" in browser.get("/instances/1.2.1/route").text
    )


@pytest.mark.parametrize("to", ["", "outbox"])
def test_the_button_sends_what_was_delivered_again(site: Site, browser: Browser, to: str) -> None:
    deliver(site)
    assert state(site) == "delivered"
    part = browser.post("/instances/1.2.1/resend", data={"to": to}, headers=HTMX)
    assert part.status_code == 200
    assert state(site) == "inferred"
    assert "waiting" in part.text
    again = browser.post("/instances/1.2.1/resend", data={"to": to}, headers=HTMX)
    assert "Nothing to send" in again.text


def test_the_button_works_without_scripts_and_for_known_destinations_only(
    site: Site, browser: Browser
) -> None:
    deliver(site)
    assert browser.post("/instances/1.2.1/resend", data={"to": "elsewhere"}).status_code == 400
    assert browser.post("/instances/1.2.9/resend").status_code == 404
    assert state(site) == "delivered"
    sent = browser.post("/instances/1.2.1/resend")
    assert (sent.status_code, sent.headers["location"]) == (303, "/instances/1.2.1")
    assert state(site) == "inferred"


def test_another_site_cannot_press_the_button(site: Site, browser: Browser) -> None:
    deliver(site)
    foreign = {"Origin": "https://elsewhere.example", "Sec-Fetch-Site": "cross-site"}
    assert browser.post("/instances/1.2.1/resend", headers=foreign).status_code == 403
    assert state(site) == "delivered"


def test_the_button_says_that_a_route_needs_the_file(site: Site, browser: Browser) -> None:
    deliver(site)
    with site.ledger.transaction() as connection:
        connection.execute(instances.update().values(file_deleted_at=instances.c.received_at))
    told = browser.post("/instances/1.2.1/resend", headers=HTMX).text
    assert "choose a destination" in told
    assert state(site) == "delivered"
