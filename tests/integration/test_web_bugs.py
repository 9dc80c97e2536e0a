"""A page that fails is an answer, and the next request has its own."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.web.pages import report
from gateway.web.pages.templates import page
from tests.support.site import add_answer, browsing, site_in
from tests.support.sources import dx


@pytest.mark.parametrize("missing", ["image", "versions", "tree", "said"])
def test_a_template_that_fails_is_a_bug_with_its_traceback_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def failing(*about: Any, **values: Any) -> Any:
        return page(*about, **{name: value for name, value in values.items() if name != missing})

    site = site_in(tmp_path)
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    monkeypatch.setattr(report, "page", failing)
    with browsing(site) as browser, capture_logs() as log:
        answer = browser.get("/instances/1.2.1")
    assert answer.status_code == HTTPStatus.INTERNAL_SERVER_ERROR
    assert answer.json() == {"detail": "a bug in the gateway: its log has the traceback"}
    (bug,) = [entry for entry in log if entry["event"] == "bug"]
    assert missing in bug["error"]
    assert bug["exc_info"]


def test_a_bug_that_nobody_captures_costs_no_more_than_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = site_in(tmp_path)
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    monkeypatch.setattr(report, "page", lambda *_, **__: {}["missing"])
    with browsing(site) as browser:
        assert browser.get("/instances/1.2.1").status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert browser.get("/").status_code == HTTPStatus.OK
