"""Pages and API over a real server, spool and ledger."""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image
from structlog.testing import capture_logs

from gateway.commands.history import account_of
from gateway.imaging.decode import decode
from gateway.records import Reason, State
from gateway.store.clock import now
from gateway.store.entries import DeliveryState, ImageIdentity
from gateway.store.refusals import Refusal
from gateway.store.requeue import Requeue, Selection
from gateway.store.schema import deliveries, instances
from gateway.telemetry.events import Event
from gateway.web.pages.templates import PRIVATE
from gateway.web.site import Site
from gateway.web.viewer.values import read_values_file
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.ledger_rows import state
from tests.support.site import (
    HOSTILE,
    Browser,
    add_answer,
    add_image,
    answer_again,
    days_ago,
    judged,
)
from tests.support.sources import dx, encoded

PAGES = [*(path for path, _ in PRIVATE), "/login"]


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
    head, parts = read_values_file(browser.get(f"/instances/{uid}/pixels").content)
    assert np.array_equal(parts["cells"].reshape(head["rows"], head["columns"]), source.pixel_array)
    shown = parts["grey"][parts["cells"]].reshape(head["rows"], head["columns"])
    assert np.array_equal(shown, decode(source).pixels)
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


def test_a_placeholder_says_why(site: Site, browser: Browser) -> None:
    coloured = {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0}
    uids = [add_answer(site, 2, dx()).sop_instance_uid, add_image(site, 1, dx(**coloured)).sop_instance_uid]
    assert "colour image" in browser.get(f"/instances/{uids[1]}/thumbnail").text  # as the decoder has told
    with site.ledger.transaction() as connection:
        connection.execute(instances.update().values(file_deleted_at=instances.c.received_at))
    assert "file no longer kept" in browser.get(f"/instances/{uids[0]}/thumbnail").text
    report = browser.get(f"/instances/{uids[0]}").text
    assert "No picture: file no longer kept." in report
    assert "data-pixels" not in report


def test_each_version_has_its_own_pictures(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1, dx()).sop_instance_uid
    add_image(site, 2, dx(Rows=8, Columns=8, PixelData=bytes(128), SOPInstanceUID=uid))
    first, second = (row.id for row in reversed(site.images.versions(uid)))
    heads = [
        read_values_file(browser.get(f"/instances/{uid}/pixels?v={version}").content)[0]
        for version in (first, second)
    ]
    assert heads[0]["rows"] != heads[1]["rows"] == 8
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


@pytest.mark.parametrize("again", ["reprocess", "resend", "retry"])
def test_what_begins_anew_takes_the_time_since_then(site: Site, browser: Browser, again: str) -> None:
    row = add_answer(site, 1, dx(), received_at=days_ago(20))
    uid = str(row.sop_instance_uid)
    settled(site, State.FAILED if again == "retry" else State.DELIVERED, days_ago(20))
    for path in ("/", f"/instances/{uid}"):
        assert "20 d" not in browser.get(path).text
    if again == "reprocess":
        Requeue(site.ledger).reprocess(uid)
    elif again == "resend":
        Requeue(site.ledger).resend(Selection((uid,)), lambda *_: ("outbox",))
    else:
        Requeue(site.ledger).retry(uid)
    settled(site, State.DELIVERED, now())
    for path in ("/", f"/instances/{uid}"):
        assert "20 d" not in browser.get(path).text
    assert "begun anew" in browser.get(f"/instances/{uid}").text


def test_a_withdrawn_answer_takes_no_time(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1, dx(), received_at=days_ago(20)).sop_instance_uid
    settled(site, State.INELIGIBLE, now(), reason=Reason.REJECTED)
    for path in ("/", f"/instances/{uid}"):
        assert "20 d" not in browser.get(path).text


def settled(site: Site, state: State, at: datetime, **more: Any) -> None:
    with site.ledger.transaction() as connection:
        connection.execute(instances.update().values(state=state, state_at=at, **more))
        connection.execute(deliveries.update().values(state=DeliveryState.STORED, open=False))


def test_deliveries_of_an_earlier_answer_are_told_apart(site: Site, browser: Browser) -> None:
    uid = add_answer(site, 1, dx()).sop_instance_uid
    Requeue(site.ledger).reprocess(uid)
    answer_again(site, 2, version="2.0.0")
    (image,) = site.images.versions(uid)
    earlier = [each for each in image.deliveries if each.superseded_at]
    assert 0 < len(earlier) < len(image.deliveries)
    for told in (browser.get(f"/instances/{uid}").text, account_of(image)):
        assert told.count("(superseded)") >= len(earlier)
    asked = browser.get(f"/api/instances/{uid}").json()["deliveries"]
    assert [each for each in asked if each["superseded_at"]] == asked[: len(earlier)]


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
        assert {each.result().status_code for each in waiting} == {503}
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
    assert re.search(rf'class="day">\d{{4}}-\d\d-\d\d {zone}<', text)
    assert re.search(rf"\d\d:\d\d:\d\d {zone}", text)
    assert re.search(r">\d\d:\d\d:\d\d</time> <b>inferred</b>", text)
    assert "0.1235" in text
    assert "0.12345" not in text
    assert f'Received</a> <small title="time zone of the gateway">{zone}</small>' in browser.get("/").text
    assert browser.get(f"/api/instances/{uid}").json()["received_at"].endswith("Z")
