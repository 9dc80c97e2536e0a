"""What goes wrong with a page is told by a page; the API and parts of pages get JSON, whoever refuses."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import Retry
from gateway.settings import User
from gateway.store.queries.worklist import Worklist
from gateway.web.pages import report
from gateway.web.security.passwords import hash_password
from gateway.web.site import Site
from tests.support.site import Browser, add_answer, browsing, site_in
from tests.support.sources import dx

AS_BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Site": "same-origin"}
VERA = User(name="Vera", password=hash_password("correct horse"), roles=("viewer",))

UNKNOWN = "No image with this SOP Instance UID was received."
TO_NOWHERE = {"count": 1, "newest": 1, "to": "x"}
REFUSALS: dict[str, tuple[str, str, dict[str, Any], int, str]] = {
    "no such page": ("GET", "/nothing/here", {}, 404, "There is nothing at this address."),
    "no such image": ("GET", "/instances/1.2.99/priors", {}, 404, UNKNOWN),
    "no such file": ("GET", "/instances/1.2.99/download/source", {}, 404, "There is no such file"),
    "no such study": ("GET", "/studies/1.2.99/zip", {}, 404, "No image of this study was received."),
    "no such method": ("POST", "/dashboard", {}, 405, "This address takes no such request"),
    "a field too long": ("GET", f"/?uid={'1' * 99}", {}, 422, "Uid: String should have at most 64"),
    "a form without a field": ("POST", "/instances/1.2.1/feedback", {"verdict": "agree"}, 422, "Judged: "),
    "no such destination": ("POST", "/bulk?action=resend", TO_NOWHERE, 400, "There is no destination x."),
    "a form too large": ("POST", "/bulk", {"x": "x" * 99_999}, 413, "More than 64 kB are not taken"),
}


def without_database(*_: Any, **__: Any) -> None:
    raise Retry("the database does not answer")


@pytest.mark.parametrize("case", REFUSALS)
def test_a_browser_gets_a_page_and_a_script_gets_json(site: Site, browser: Browser, case: str) -> None:
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    method, path, form, status, told = REFUSALS[case]
    page = browser.request(method, path, data=form, headers=AS_BROWSER)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert f'<p class="why" role="alert">{told}' in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    script = browser.request(method, path, data=form)
    assert (script.status_code, "<html" in script.text) == (status, False)
    part = browser.request(method, path, data=form, headers=AS_BROWSER | {"HX-Request": "true"})
    assert (part.status_code, "<html" in part.text) == (status, False)


@pytest.mark.parametrize(
    "path", ["/api/instances/1.2.99", "/api/instances?limit=x", "/predict/x", "/openapi.js"]
)
def test_the_api_answers_a_browser_by_json(browser: Browser, path: str) -> None:
    answer = browser.get(path, headers=AS_BROWSER)
    is_page = answer.headers["content-type"].startswith("text/html")
    assert (answer.status_code >= 400, is_page) == (True, path == "/openapi.js")


def test_a_role_that_does_not_suffice_is_told_on_a_page_with_the_pages_that_do(tmp_path: Path) -> None:
    with browsing(site_in(tmp_path, users=(VERA,))) as browser:
        browser.post("/login", data={"name": "Vera", "secret": "correct horse"})
        page = browser.get("/upload", headers=AS_BROWSER)
        assert (page.status_code, "This needs the role reader; Vera has: viewer." in page.text) == (403, True)
        assert ">Dashboard</a>" in page.text
        assert ">Upload</a>" not in page.text


def test_who_is_locked_out_gets_a_page_that_names_no_other_page(tmp_path: Path) -> None:
    with browsing(site_in(tmp_path, token="a token of some length")) as browser:
        for _ in range(11):
            browser.get("/", headers={"Authorization": "Bearer wrong"})
        page = browser.get("/", headers=AS_BROWSER)
        assert (page.status_code, page.headers["retry-after"]) == (429, "60")
        assert "wait a minute" in page.text
        assert ">Dashboard</a>" not in page.text
        assert 'href="/login"' in page.text


def test_a_page_without_its_database_says_so_and_offers_to_try_again(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worklist, "version", without_database)
    page = browser.get("/?state=failed", headers=AS_BROWSER)
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "The database does not answer." in page.text
    assert ">Try again</a>" in page.text


def test_a_bug_is_a_page_with_the_headers_of_every_page(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    monkeypatch.setattr(report, "page", lambda *_, **__: {}["missing"])
    page = browser.get("/instances/1.2.1", headers=AS_BROWSER)
    assert page.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert "A bug in the gateway: its log has the traceback." in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_the_button_of_a_part_is_told_what_was_wrong(browser: Browser) -> None:
    part = browser.post("/instances/1.2.99/retry", headers=AS_BROWSER | {"HX-Request": "true"})
    assert (part.status_code, part.json()["detail"]) == (
        404,
        "no image with this SOP Instance UID was received",
    )
