"""STOW-RS over a real server, spool and ledger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.receive.capacity import Capacity
from gateway.receive.intake import Intake
from gateway.settings import SCP
from gateway.store.spool import open_spool
from gateway.web.site import Site
from tests.support.site import (
    Browser,
    browsing,
    stow,
)
from tests.support.sources import dx, encoded


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
