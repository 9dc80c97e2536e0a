"""Priors: other studies of a patient, by ID and issuer, beside the image; the ledger knows no identity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.store.descriptions import record_descriptions
from gateway.store.schema import instances, pseudonyms
from gateway.web.site import Site
from gateway.worker.describe import describe
from gateway.worker.pseudonym import pseudonym_of
from tests.support.site import Browser, add_answer, add_image, answer_again
from tests.support.sources import dx

KEY = b"k" * 32


def study(site: Site, number: int, date: str, *, answered: bool = True, **header: Any) -> str:
    """Receive an image of a study of its own, and describe it as a worker does."""
    uid, study_uid = f"1.2.{number}", f"1.9.{number}"
    model = header.pop("model", {})
    source = dx(**{"SOPInstanceUID": uid, "StudyInstanceUID": study_uid, "StudyDate": date} | header)
    if answered and not model:
        add_answer(site, number, source, study_instance_uid=study_uid)
    else:
        add_image(site, number, source, study_instance_uid=study_uid)
    if model:
        answer_again(site, number, **model)
    shown = site.images.shown(uid)
    assert shown is not None
    description = replace(describe(source), pseudonym=pseudonym_of(source, KEY))
    with site.ledger.transaction() as connection:
        record_descriptions(connection, {shown.id: description})
    return uid


def test_the_newest_earlier_study_stands_beside_the_image(site: Site, browser: Browser) -> None:
    for number, date in enumerate(("20240101", "20250101", "20260101", "20270101"), 1):
        study(site, number, date)
    homonym = study(site, 5, "20250601", PatientID="P-0043")
    page = browser.get("/instances/1.2.3/priors").text
    sides, _, listed = page.partition("<table ")
    assert "This image" in sides
    assert "/instances/1.2.2/preview" in sides
    assert "2025-01-01" in sides
    assert homonym not in page
    order = [listed.index(date) for date in ("2027-01-01", "2025-01-01", "2024-01-01")]
    assert order == sorted(order)
    assert "Later study" in browser.get("/instances/1.2.3/priors?beside=4").text
    assert "/instances/1.2.1/preview" in browser.get("/instances/1.2.3/priors?beside=1").text
    assert "No earlier study" in browser.get("/instances/1.2.1/priors").text
    assert "no other study" in browser.get(f"/instances/{homonym}/priors").text


def test_an_answer_of_another_model_is_told(site: Site, browser: Browser) -> None:
    study(site, 1, "20250101", model={"version": "1"})
    study(site, 2, "20260101", model={"version": "2"})
    study(site, 3, "20260201", model={"version": "2"})
    assert "Another model has answered here" in browser.get("/instances/1.2.2/priors").text
    assert "Another model has answered here" not in browser.get("/instances/1.2.3/priors").text


def test_the_same_id_with_another_date_of_birth_is_doubtful(site: Site, browser: Browser) -> None:
    study(site, 1, "20250101", PatientBirthDate="19500101")
    study(site, 2, "20260101", PatientBirthDate="19700101")
    page = browser.get("/instances/1.2.2/priors").text
    assert "1 image with the same Patient ID states another date of birth" in page
    assert "1.2.1/preview" not in page


def test_a_prior_whose_file_was_deleted_still_has_its_answer(site: Site, browser: Browser) -> None:
    study(site, 1, "20250101")
    study(site, 2, "20260101")
    with site.ledger.transaction() as connection:
        this = instances.c.sop_instance_uid == "1.2.1"
        connection.execute(instances.update().where(this).values(file_deleted_at=instances.c.received_at))
    page = browser.get("/instances/1.2.2/priors").text
    assert "deleted by retention" in page
    assert page.count("score 90.0 %") == 2


def test_an_image_without_a_pseudonym_says_so_and_no_row_names_the_patient(
    site: Site, browser: Browser
) -> None:
    study(site, 1, "20250101", PatientID="")
    study(site, 2, "20250101", PatientID="P-0042")
    assert "does not know whether" in browser.get("/instances/1.2.1/priors").text
    assert browser.get("/instances/1.2.9/priors").status_code == 404
    with site.ledger.transaction() as connection:
        (row,) = connection.execute(pseudonyms.select()).all()
    assert "0042" not in str(tuple(row))


def test_a_preview_is_a_picture_that_fits_a_screen(site: Site, browser: Browser) -> None:
    study(site, 1, "20250101")
    preview = browser.get("/instances/1.2.1/preview")
    assert preview.headers["content-type"] == "image/jpeg"
    assert preview.content.startswith(b"\xff\xd8")
