"""Limits of requests, health and metrics over a real server, spool and ledger."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
import requests

from gateway.errors import ConfigurationError
from gateway.files import answering
from gateway.files.answering import HANGS, Answering
from gateway.store.entries import FoundStudy
from gateway.store.pulls import Pulls
from gateway.store.workers import Workers
from gateway.telemetry.role_status import RoleStatusFile
from gateway.web.serving import WebServer
from gateway.web.site import Site
from tests.support.site import (
    Browser,
    add_answer,
    browsing,
    site_in,
    stow,
)
from tests.support.sources import dx, encoded


def test_too_large_an_upload_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with browsing(site_in(tmp_path, max_upload_mb=1)) as browser:
        assert stow(browser, bytes(2 << 20)).status_code == 413
        head = b'--B\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
        chunks = (head if number == 0 else bytes(1 << 18) for number in range(8))
        kind = {"Content-Type": "multipart/form-data; boundary=B"}
        told = browser.post("/predict", data=chunks, headers=kind)
        assert (told.status_code, told.json()["detail"]) == (
            413,
            "more than 1 MB are not taken in one request",
        )


def test_forms_are_small_though_files_are_not(browser: Browser) -> None:
    form = {"name": "Rita", "secret": "x" * (2 << 20)}
    assert browser.post("/login", data=form).status_code == 413


def test_what_is_no_picture_gets_a_clear_answer(browser: Browser) -> None:
    def ask(content: bytes) -> requests.Response:
        return browser.post("/predict", files={"file": ("x", content)})

    assert ask(b"GIF89a").status_code == 415
    assert ask(encoded(dx())[:-100]).status_code == 422
    assert browser.post("/predict").status_code == 422


def test_ready_is_told_by_what_really_runs(site: Site, browser: Browser) -> None:
    assert browser.get("/health/live").json() == {"status": "live"}
    before = browser.get("/health/ready")
    assert before.status_code == 503
    assert not before.json()["checks"]["workers"]["ok"]
    with site.ledger.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM workers")
    Workers(site.ledger).beat("here-1")
    site.remembered.__init__()  # type: ignore[misc]
    assert browser.get("/health/ready").status_code == 200
    RoleStatusFile(site.settings.directory.role_status).note("receive", "dead", "exit status 1")
    site.remembered.__init__()  # type: ignore[misc]
    dead = browser.get("/health/ready")
    assert dead.status_code == 503
    assert dead.json()["checks"]["role receive"] == {"ok": False, "detail": "dead exit status 1"}


def test_metrics_have_a_histogram_for_each_stage(site: Site, browser: Browser) -> None:
    add_answer(site, 1)
    Pulls(site.ledger).record_found("pacs", [FoundStudy("1.2.3")])
    with site.ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE timings SET time = '2020-01-01 00:00:00.000000'")
    for _ in range(2):
        text = browser.get("/metrics").text
        assert 'gateway_stage_duration_seconds_bucket{le="2.5",stage="answer"} 1.0' in text
        assert 'gateway_stage_duration_seconds_sum{stage="answer"} 1.5' in text
        assert 'gateway_images{state="inferred"} 1.0' in text
        assert 'gateway_pull_studies{source="pacs",state="found"} 1.0' in text
        assert "gateway_images_received_total 1.0" in text


def test_torch_stays_out_until_it_is_needed() -> None:
    code = (
        "import sys; from gateway.web.serving import WebServer; import gateway.processes.website; "
        "sys.exit(bool({'torch', 'highdicom', 'dbos'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_port_that_is_taken_is_told_in_one_line(site: Site, browser: Browser) -> None:
    port = int(browser.url.rpartition(":")[2])
    web = site.settings.web.model_copy(update={"port": port})
    object.__setattr__(site, "settings", site.settings.model_copy(update={"web": web}))
    with pytest.raises(ConfigurationError, match=r"web\.port: cannot listen"):
        WebServer(site)


def test_while_the_data_directory_hangs_every_page_says_so_at_once(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    back = threading.Event()
    look = Answering._look

    def look_once_back(asked: Answering) -> None:
        back.wait()
        look(asked)

    monkeypatch.setattr(answering, "ANSWER_SECONDS", 0)
    monkeypatch.setattr(Answering, "_look", look_once_back)
    monkeypatch.setattr(answering, "FRESH_SECONDS", -1)
    try:
        for path in ("/", "/api/instances"):
            told = browser.get(path)
            assert (told.status_code, told.headers["Retry-After"]) == (503, "5")
            assert HANGS in told.json()["detail"]
        assert HANGS in browser.get("/health/ready").json()["checks"]["disk"]["detail"]
        assert browser.get("/health/live").status_code == 200
    finally:
        back.set()
    monkeypatch.undo()
    assert "disk" in browser.get("/health/ready").json()["checks"]
    assert browser.get("/").status_code == 200
