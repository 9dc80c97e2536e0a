"""The worklist with patients in Chromium: found, unfolded by keys, sorted; for everybody by axe-core."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from gateway.records import Reason, State
from gateway.settings import User
from gateway.store.patients import Patients
from gateway.web.patient_index import PatientIndex
from gateway.web.security.passwords import hash_password
from tests.peers.axe import LEVELS, violations
from tests.peers.chromium import chromium
from tests.support.ledger_rows import claim
from tests.support.site import add_answer, add_image, browsing, site_in
from tests.support.sources import dx

PASSWORD = "correct horse"
RITA = User(name="Rita", password=hash_password(PASSWORD))
YAMADA = {"SpecificCharacterSet": ["", "ISO 2022 IR 87"], "PatientName": "Yamada^Tarou=山田^太郎"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The worklist in front of a reader who has signed in: two studies, one of them with a lateral."""
    site = site_in(tmp_path_factory.mktemp("site"), users=(RITA,), show_patient="signed-in")
    add_answer(site, 1, dx(**YAMADA, StudyInstanceUID="1.2.1"), study_instance_uid="1.2.1")
    add_image(site, 2, dx(**YAMADA, StudyInstanceUID="1.2.1"), study_instance_uid="1.2.1")
    (image,) = claim(site.ledger, "lateral")
    with site.ledger.session() as session:
        site.ledger.end(session, image, State.INELIGIBLE, Reason.LATERAL, "a lateral view")
    long = {"PatientName": "W" * 64, "PatientID": "I" * 64, "StudyInstanceUID": "1.2.2"}
    add_answer(site, 3, dx(**long), study_instance_uid="1.2.2")
    PatientIndex(Patients(site.ledger), site.stores.received.fetch, wanted=True).sweep()
    with browsing(site) as server, chromium() as browser:
        opened = browser.new_page()
        opened.route("**/thumbnail*", lambda route: route.abort())
        opened.goto(f"{server.url}/login")
        opened.fill("[name=name]", "Rita")
        opened.fill("[name=secret]", PASSWORD)
        opened.click("main button")
        yield opened


def home(page: Page) -> None:
    """Open the worklist anew; its scripts have run."""
    page.goto("/".join(page.url.split("/")[:3]), wait_until="load")


def test_keys_unfold_a_study_and_pass_over_what_is_folded(page: Page) -> None:
    home(page)
    seen = page.locator("tr[data-row]:visible")
    expect(seen).to_have_count(2)
    for key in "jj":
        page.keyboard.press(key)
    expect(seen.nth(1).locator("a.open")).to_be_focused()
    page.keyboard.press("x")
    expect(seen).to_have_count(3)
    expect(page.locator("a.unfold")).to_have_attribute("aria-expanded", "true")
    page.reload()  # as it was
    expect(seen).to_have_count(3)
    page.click("a.unfold")
    expect(seen).to_have_count(2)


def test_a_patient_is_found_by_a_name_in_another_script(page: Page) -> None:
    home(page)
    page.keyboard.press("/")
    page.keyboard.type("山田")
    page.keyboard.press("Enter")
    rows = page.locator("tr[data-row]:visible")
    expect(rows).to_have_count(1)
    expect(rows.locator("td.patient")).to_contain_text("Yamada, Tarou")
    assert "patient=" in page.url
    assert "%E5" not in page.url
    assert "山" not in page.url
    page.locator("a.open").first.click()
    expect(page).to_have_url(re.compile("/instances/"))
    page.go_back()
    expect(page.locator("#search-patient")).to_have_value("山田")
    expect(rows).to_have_count(1)
    page.go_back()
    expect(rows).to_have_count(2)
    expect(page.locator("#search-patient")).to_have_value("")
    page.click("text=Clear")
    expect(rows).to_have_count(2)


def test_a_click_on_a_head_sorts(page: Page) -> None:
    home(page)
    page.click("th >> text=Patient")
    head = page.locator("th[aria-sort]")
    expect(head).to_have_attribute("aria-sort", "ascending")
    page.click("th >> text=Patient")
    expect(head).to_have_attribute("aria-sort", "descending")
    expect(page.locator("td.patient").first).to_contain_text("Yamada, Tarou")


@pytest.mark.parametrize("width", [390, 800, 1280, 1920])
def test_it_fits_and_is_for_everybody(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    home(page)
    page.click("a.unfold")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(
        "document.querySelector('#list').scrollWidth <= document.querySelector('#list').clientWidth"
    )
    assert page.locator("tr[data-row]:visible td").evaluate_all(
        "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.className)"
    ) in ([], ["picture"])
    assert violations(page, LEVELS) == []
    page.click("a.unfold")
