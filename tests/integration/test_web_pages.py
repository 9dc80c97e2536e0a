"""Pages, API and STOW-RS over a real server, spool and ledger."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image
from structlog.testing import capture_logs

from gateway.errors import ConfigurationError
from gateway.receive.capacity import Capacity
from gateway.receive.intake import Intake
from gateway.settings import SCP
from gateway.store.entries import ImageIdentity
from gateway.store.refusals import Refusal
from gateway.store.requeue import Requeue
from gateway.store.spool import open_spool
from gateway.telemetry.events import Event
from gateway.telemetry.role_status import RoleStatusFile
from gateway.web.serving import WebServer
from gateway.web.site import Site
from gateway.web.viewer.rendering import HEAD, MARK
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.ledger_rows import state
from tests.support.site import (
    HOSTILE,
    Browser,
    add_answer,
    add_image,
    answer_again,
    browsing,
    judged,
    site_in,
    stow,
)
from tests.support.sources import dx, encoded


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return site_in(tmp_path)


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    with browsing(site) as browser:
        yield browser


PAGES = ["/", "/dashboard", "/concordance", "/upload", "/docs", "/login"]


@pytest.mark.parametrize("path", PAGES)
def test_every_page_says_what_it_is_not_for(browser: Browser, path: str) -> None:
    answer = browser.get(path)
    assert answer.status_code == 200
    assert "RESEARCH ONLY - NOT FOR DIAGNOSTIC USE" in answer.text
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "style=" not in answer.text
    assert "://" not in answer.text.replace("http://www.w3.org/", "")


def test_a_hostile_header_is_text(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1, dx(PatientName=HOSTILE)).sop_instance_uid
    for path in ("/", f"/instances/{uid}", "/dashboard"):
        page = browser.get(path).text
        assert HOSTILE not in page
        assert "&lt;script&gt;" in page


def test_the_list_is_sent_again_only_when_something_has_happened(site: Site, browser: Browser) -> None:
    version = site.worklist.version()
    assert browser.get(f"/worklist?version={version}").status_code == 204
    uid = add_image(site, 1).sop_instance_uid
    answer = browser.get(f"/worklist?version={version}")
    assert answer.status_code == 200
    assert uid in answer.text


def test_a_picture_has_the_pipelines_grey_values(site: Site, browser: Browser) -> None:
    source = dx(PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE")
    uid = add_answer(site, 1, source).sop_instance_uid
    content = browser.get(f"/instances/{uid}/pixels").content
    mark, rows, columns = HEAD.unpack_from(content)
    shown = np.frombuffer(content[HEAD.size :], "<u2").reshape(rows, columns)
    stored = np.frombuffer(source.PixelData, "<u2").reshape(rows, columns)
    assert mark == MARK
    assert shown[stored.argmin() // columns, stored.argmin() % columns] == shown.max()
    with Image.open(BytesIO(browser.get(f"/instances/{uid}/thumbnail").content)) as thumbnail:
        assert max(thumbnail.size) <= 160
    with Image.open(BytesIO(browser.get(f"/instances/{uid}/activation").content)) as colours:
        assert colours.mode == "RGBA"
    assert len(list((site.settings.data_dir / "cache" / "web").iterdir())) == 2


def test_what_cannot_be_decoded_has_no_picture(site: Site, browser: Browser) -> None:
    uid = add_image(site, 1, dx(PixelData=b"\0\0")).sop_instance_uid
    placeholder = browser.get(f"/instances/{uid}/thumbnail")
    assert (placeholder.status_code, placeholder.headers["Content-Type"]) == (200, "image/svg+xml")
    assert placeholder.headers["Cache-Control"] == "no-store"
    assert browser.get("/instances/1.2.3.4/thumbnail").status_code == 404
    assert browser.get("/instances/1.2.3.4/pixels").status_code == 404


def test_each_version_has_its_own_pictures(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1, dx()).sop_instance_uid
    add_image(site, 2, dx(Rows=8, Columns=8, PixelData=bytes(128), SOPInstanceUID=uid))
    first, second = (row.id for row in reversed(site.images.versions(uid)))
    sizes = [
        HEAD.unpack_from(browser.get(f"/instances/{uid}/pixels?v={version}").content)[1:]
        for version in (first, second)
    ]
    assert sizes[0] != sizes[1] == (8, 8)
    assert browser.get(f"/instances/{uid}/pixels").headers["Cache-Control"] == "no-store"
    assert browser.get(f"/instances/{uid}/activation?v={second}").status_code == 404
    assert browser.get(f"/instances/{uid}/pixels?v=99").status_code == 404
    assert f"/instances/{uid}/pixels?v={first}" in browser.get(f"/instances/{uid}").text


def test_whoever_takes_the_grey_values_has_viewed_the_image(site: Site, browser: Browser) -> None:
    uid = add_image(site, 1, dx()).sop_instance_uid
    with capture_logs() as events:
        assert browser.get(f"/instances/{uid}/pixels").status_code == 200
    assert [each["sop_instance_uid"] for each in events if each["event"] == "viewed"] == [uid]


def test_another_answer_loads_the_whole_report_again(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1, dx()).sop_instance_uid
    seen = {"judged": judged(site, uid), "state": "inferred"}
    part = browser.get(f"/instances/{uid}/status", params=seen)
    assert ("HX-Refresh" in part.headers, f"judged={seen['judged']}" in part.text) == (False, True)
    Requeue(site.ledger).reprocess(uid)
    answer_again(site, threshold=0.25)
    assert browser.get(f"/instances/{uid}/status", params=seen).headers["HX-Refresh"] == "true"


def test_pictures_that_wait_keep_nothing_else_waiting(site: Site, browser: Browser) -> None:
    image = add_image(site, 1)
    image.path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(image.path)
    address = f"{browser.url}/instances/{image.sop_instance_uid}/thumbnail"
    with ThreadPoolExecutor(45) as asking:
        waiting = [asking.submit(requests.get, address, timeout=PATIENCE_SECONDS) for _ in range(45)]
        writer = os.open(image.path, os.O_WRONLY)  # once the decoder has it in hand
        wait_for(lambda: site.display._waiting == 45)
        assert browser.get("/health/live").status_code == 200
        assert browser.get("/worklist").status_code == 200
        site.display.close()
        assert {each.result().headers["Content-Type"] for each in waiting} == {"image/svg+xml"}
    os.close(writer)


def test_the_api_keeps_the_contract(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    image = browser.get(f"/api/instances/{uid}").json()
    assert (image["state"], image["label"], image["reason"]) == ("inferred", "Pneumonia", None)
    assert image["probabilities"] == pytest.approx({"Normal": 0.1, "Pneumonia": 0.9})
    assert [each["kind"] for each in image["results"]] == ["sr"]
    assert [each["destination"] for each in image["deliveries"]] == ["outbox"]
    assert [each["event"] for each in image["events"]][:2] == ["received", "inferred"]
    assert [each["sop_instance_uid"] for each in browser.get("/api/instances").json()] == [uid]
    assert browser.get("/?until=9999-12-31").status_code == 200
    for unknown in ("1.2.999", "unknown", 70 * "1"):
        assert browser.get(f"/api/instances/{unknown}").status_code == 404
        assert browser.post(f"/api/instances/{unknown}/retry").status_code == 404
        assert browser.get(f"/instances/{unknown}").status_code == 404
    assert browser.post("/api/instances/1.2.999/retry").status_code == 404
    assert browser.post(f"/api/instances/{uid}/retry").status_code == 409


def test_the_api_pages_by_its_link_header(site: Site, browser: Browser) -> None:
    for number in (1, 2, 3):
        add_image(site, number)
    first = browser.get("/api/instances?limit=2")
    following = browser.get(first.links["next"]["url"].removeprefix(browser.url))
    assert [each["sop_instance_uid"] for each in following.json()] == ["1.2.1"]
    assert "next" not in following.links


def test_a_retry_begins_anew_what_was_given_up(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    with site.ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'dead', open = 0")
        connection.exec_driver_sql("UPDATE instances SET state = 'failed', reason = 'not_delivered'")
    assert "Retry" in browser.get(f"/instances/{uid}").text
    assert browser.post(f"/api/instances/{uid}/retry").json() == {"images": 0, "deliveries": 1}
    assert state(site.ledger, uid) == ("inferred", None)


def test_feedback_is_kept_with_its_reader(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    form = {"verdict": "disagree", "comment": HOSTILE, "reader": "Rita", "judged": judged(site, uid)}
    assert f'name="judged" value="{form["judged"]}"' in browser.get(f"/instances/{uid}").text
    assert browser.post(f"/instances/{uid}/feedback", data=form).status_code == 303
    (said,) = site.readings.of(uid)
    assert (said.reader, said.verdict, said.comment) == ("Rita", "disagree", HOSTILE)
    assert (said.label, said.score) == ("Pneumonia", 0.9)
    assert HOSTILE not in browser.get(f"/instances/{uid}").text
    assert "0 of 1" in browser.get("/concordance").text
    assert "state your name" in browser.post(f"/instances/{uid}/feedback", data=form | {"reader": " "}).text
    assert browser.post(f"/instances/{uid}/feedback", data=form | {"verdict": "maybe"}).status_code == 422


def test_downloads_are_the_files_themselves(site: Site, browser: Browser) -> None:
    source = dx()
    uid = add_answer(site, 1, source).sop_instance_uid
    assert browser.get(f"/instances/{uid}/download/source").content == encoded(source)
    assert browser.get(f"/instances/{uid}/download/json").json()["sop_instance_uid"] == uid
    for missing in ("sr", "sc", "..%2F..%2Fgateway.sqlite"):
        assert browser.get(f"/instances/{uid}/download/{missing}").status_code == 404


# --- STOW-RS


def test_what_comes_by_stow_is_received_as_by_c_store(browser: Browser) -> None:
    source = dx()
    answer = stow(browser, encoded(source))
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/dicom+json"
    (reference,) = answer.json()["00081199"]["Value"]
    assert reference["00081155"]["Value"] == [source.SOPInstanceUID]
    (image,) = browser.get("/api/instances").json()
    assert (image["state"], image["calling_ae_title"]) == ("received", "STOW-RS")
    assert Path(image["source"]).read_bytes().endswith(encoded(source)[-2000:])
    assert stow(browser, encoded(source)).status_code == 200
    assert len(browser.get("/api/instances").json()) == 1


def test_one_bad_part_harms_no_other(site: Site, browser: Browser) -> None:
    answer = stow(browser, encoded(dx()), b"<html>", encoded(dx(PixelData=b"\0\0")))
    assert answer.status_code == 202
    (nameless,) = answer.json()["0008119A"]["Value"]
    (cut,) = answer.json()["00081198"]["Value"]
    assert [each["00081197"]["Value"] for each in (nameless, cut)] == [[0xC001], [0xC003]]
    assert site.traffic.queue()[0] == 1


def test_who_failed_is_said_even_when_the_data_set_cannot_be_read(browser: Browser) -> None:
    source = dx()
    whole = encoded(source)
    answer = stow(browser, whole[:-100], whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0"))
    assert answer.status_code == 409
    failed = answer.json()["00081198"]["Value"]
    assert [each["00081155"]["Value"] for each in failed] == [[source.SOPInstanceUID]] * 2
    assert [each["00081150"]["Value"] for each in failed] == [[source.SOPClassUID]] * 2
    assert [each["00081197"]["Value"] for each in failed] == [[0xC003], [0xC122]]


def test_a_store_without_room_may_be_tried_again(site: Site) -> None:
    spool = open_spool(site.settings.directory.spool, site.ledger)
    no_room = Capacity(SCP(min_free_disk_mb=2**40), spool, site.ledger)
    with browsing(replace(site, intake=Intake(no_room, spool, site.ledger))) as full:
        answer = stow(full, encoded(dx()))
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert answer.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA700]


def test_a_store_for_another_study_is_refused(browser: Browser) -> None:
    source = dx()
    assert stow(browser, encoded(source), path="/dicomweb/studies/1.2.3").status_code == 409
    assert (
        stow(browser, encoded(source), path=f"/dicomweb/studies/{source.StudyInstanceUID}").status_code == 200
    )


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/dicom", b"x", 415),
        ('multipart/related; type="application/dicom"; boundary=B', b"", 400),
        ('multipart/related; type="application/dicom"; boundary=B', b"--C\r\n\r\nx\r\n--C--", 400),
        ('multipart/related; type="application/dicom"', b"--B--", 400),
        ('multipart/related; type="application/dicom+json"; boundary=B', b"--B--", 415),
    ],
)
def test_a_body_that_is_no_multipart_is_refused(
    browser: Browser, kind: str, body: bytes, status: int
) -> None:
    answer = browser.post("/dicomweb/studies", data=body, headers={"Content-Type": kind})
    assert answer.status_code == status


@pytest.mark.parametrize("cut", [4, 9, 500])
def test_of_a_body_that_is_cut_nothing_is_kept(site: Site, browser: Browser, cut: int) -> None:
    parts = b"".join(b"--B\r\n\r\n" + encoded(dx()) + b"\r\n" for _ in range(2)) + b"--B--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=B ; charset=x'
    answer = browser.post("/dicomweb/studies", data=parts[:-cut], headers={"Content-Type": kind})
    assert answer.status_code == 400
    assert site.traffic.queue()[0] == 0
    whole = browser.post("/dicomweb/studies", data=parts, headers={"Content-Type": kind})
    assert len(whole.json()["00081199"]["Value"]) == 2


# --- limits, health, metrics


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
    site.ledger.beat("here-1")
    site.remembered.__init__()  # type: ignore[misc]
    assert browser.get("/health/ready").status_code == 200
    RoleStatusFile(site.settings.directory.role_status).note("receive", "dead", "exit status 1")
    site.remembered.__init__()  # type: ignore[misc]
    dead = browser.get("/health/ready")
    assert dead.status_code == 503
    assert dead.json()["checks"]["role receive"] == {"ok": False, "detail": "dead exit status 1"}


def test_metrics_have_a_histogram_for_each_stage(site: Site, browser: Browser) -> None:
    add_answer(site, 1)
    with site.ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE timings SET time = '2020-01-01 00:00:00.000000'")
    for _ in range(2):
        text = browser.get("/metrics").text
        assert 'gateway_stage_duration_seconds_bucket{le="2.5",stage="answer"} 1.0' in text
        assert 'gateway_stage_duration_seconds_sum{stage="answer"} 1.5' in text
        assert 'gateway_images{state="inferred"} 1.0' in text
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


def test_refusals_have_a_page_an_api_and_a_place_where_their_image_is_looked_for(
    site: Site, browser: Browser
) -> None:
    title, reason = "CR<b>1", "12 bytes of pixels instead of 8000"
    refusal = Refusal("refused", "0xC003", reason, title, "CXR_GATEWAY", "10.1.2.3", "1.2.840.7")
    site.refusals.record({refusal: 3})
    for path in ("/refusals", "/instances/1.2.840.7"):
        text = browser.get(path).text
        assert "0xC003" in text
        assert reason in text
        assert "CR&lt;b&gt;1" in text
    (told,) = browser.get("/api/refusals", params={"uid": "1.2.840.7"}).json()
    assert (told["times"], told["reason"], told["calling_ae_title"]) == (3, reason, title)
    assert browser.get("/api/refusals").json() == [told]


def test_times_name_their_zone_and_numbers_are_short(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    number = site.images.versions(uid)[0].id
    with site.ledger.session() as session:
        session.tell(Event.INFERRED, ImageIdentity(number, uid, "1.2", "CR"), score=0.123456789012)
    text = browser.get(f"/instances/{uid}").text
    zone = f"{datetime.now().astimezone():%Z}"
    assert f"Timeline ({zone})" in text
    assert re.search(rf"\d\d:\d\d:\d\d {zone}", text)
    assert re.search(r">\d\d:\d\d:\d\d\.\d{3}</time> <b>inferred</b>", text)
    assert "0.1235" in text
    assert "0.12345" not in text
    assert f"Received <small>{zone}</small>" in browser.get("/").text
    assert browser.get(f"/api/instances/{uid}").json()["received_at"].endswith("Z")
