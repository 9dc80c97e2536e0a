"""The worklist as CSV and a study as ZIP, read by other programs than wrote them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import pytest

from gateway.settings import User
from gateway.store.patients import Patients
from gateway.store.schema import instances, results
from gateway.telemetry.audit import trail
from gateway.web.api.worklist_csv import COLUMNS
from gateway.web.pages import listing
from gateway.web.patient_index import PatientIndex
from gateway.web.security.passwords import hash_password
from gateway.web.site import Site
from tests.support.missing_peer import leave_out
from tests.support.site import Browser, add_answer, add_image, browsing, search_patient, site_in
from tests.support.sources import dx, encoded

STUDY = "1.2.100"
PASSWORD = "correct horse"
RITA = User(name="Rita", password=hash_password(PASSWORD), roles=("reader",))
ADAM = User(name="Adam", password=hash_password(PASSWORD), roles=("administrator",))


def table(browser: Browser, **filters: str) -> list[dict[str, str]]:
    answer = browser.get("/worklist.csv", params=filters)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    return list(csv.DictReader(io.StringIO(answer.content.decode(), newline=""), strict=True))


def audit_lines(site: Site, code: str) -> list[str]:
    files = site.settings.directory.audit.glob("*.log")
    lines = [line for file in files for line in file.read_text().splitlines()]
    return [line for line in lines if f'csd-code="{code}"' in line]


@pytest.fixture
def audited(site: Site) -> Iterator[Site]:
    trail.open_trail(site.settings)
    yield site
    trail.close_trail()


def test_the_csv_has_the_rows_of_the_page_by_the_same_filters(
    site: Site, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "AT_ONCE", 2)
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    for number in range(2, 6):
        add_image(site, number, calling_ae_title="CT1" if number % 2 else "CR1")
    rows = table(browser)
    assert tuple(rows[0]) == COLUMNS
    assert [row["sop_instance_uid"] for row in rows] == ["1.2.5", "1.2.4", "1.2.3", "1.2.2", "1.2.1"]
    assert (rows[-1]["answer"], rows[-1]["score"], rows[-1]["deliveries"]) == (
        "Pneumonia",
        "0.9000",
        "outbox: pending",
    )
    assert [row["sop_instance_uid"] for row in table(browser, ae="CT1")] == ["1.2.5", "1.2.3"]
    assert [row["sop_instance_uid"] for row in table(browser, state="inferred")] == ["1.2.1"]
    assert table(browser, uid="9.9") == []


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t=", "\r=", "\N{FULLWIDTH EQUALS SIGN}"])
def test_no_cell_of_the_csv_is_a_formula(site: Site, browser: Browser, first: str) -> None:
    hostile = f'{first}HYPERLINK("http://evil","x,\n""y")'
    add_image(site, 1)
    with site.ledger.transaction() as connection:
        connection.execute(instances.update().values(study_description=hostile, scanner="Ö,\r\n'é"))
    (row,) = table(browser)
    assert row["study_description"] == f"'{hostile}"
    assert row["scanner"] == "Ö,\r\n'é"


def test_the_csv_names_no_patient_and_is_audited_as_an_export(audited: Site, browser: Browser) -> None:
    add_answer(audited, 1, dx())
    content = browser.get("/worklist.csv", params={"ae": "MODALITY"}).text
    assert "P-0042" not in content
    assert "Example" not in content
    (line,) = audit_lines(audited, "110106")
    assert "1 images ae MODALITY" in line


def unzipped(browser: Browser, study: str = STUDY) -> tuple[ZipFile, dict[str, Any]]:
    answer = browser.get(f"/studies/{study}/zip")
    assert answer.status_code == 200
    archive = ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    return archive, json.loads(archive.read("manifest.json"))


def with_result(site: Site, number: int, content: bytes) -> None:
    """Write the file of the result that `add_answer` names."""
    path = site.settings.data_dir / "results" / f"2.25.{number}.dcm"
    path.write_bytes(content)
    with site.ledger.transaction() as connection:
        this = results.c.name == path.name
        sha256 = hashlib.sha256(content).hexdigest()
        connection.execute(results.update().where(this).values(sha256=sha256))


def test_a_study_is_downloaded_with_its_results_and_a_manifest(
    audited: Site, browser: Browser, tmp_path: Path
) -> None:
    source = dx(SOPInstanceUID="1.2.1")
    add_answer(audited, 1, source)
    with_result(audited, 1, encoded(dx(SOPInstanceUID="2.25.1")))
    add_image(audited, 2, dx(SOPInstanceUID="1.2.2"))
    archive, manifest = unzipped(browser)
    image = f"{STUDY}/images/1.2.1.dcm"
    assert archive.read(image) == encoded(source)
    assert [each["name"] for each in manifest["files"]] == [
        image,
        f"{STUDY}/results/2.25.1.dcm",
        f"{STUDY}/images/1.2.2.dcm",
    ]
    assert manifest["missing"] == []
    for each in manifest["files"]:
        content = archive.read(each["name"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (each["size_bytes"], each["sha256"])
        assert "problem" not in each
    assert [each["label"] for each in manifest["images"]] == ["Pneumonia", None]

    (line,) = audit_lines(audited, "110106")
    for uid in (STUDY, "1.2.1", "1.2.2", "2.25.1", "P-0042"):
        assert f'"{uid}"' in line

    dump = shutil.which("dcmdump") or leave_out("dcmdump is missing")
    for name in archive.namelist()[:-1]:
        file = archive.extract(name, tmp_path / "unzipped")
        subprocess.run([dump, "-q", "+E", file], check=True, stdout=subprocess.DEVNULL)


def test_the_manifest_says_why_a_file_is_not_in_the_archive(site: Site, browser: Browser) -> None:
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    add_image(site, 2, dx(SOPInstanceUID="1.2.2"))
    with site.ledger.transaction() as connection:
        this = instances.c.sop_instance_uid == "1.2.2"
        deleted = instances.update().where(this).values(file_deleted_at=instances.c.received_at)
        connection.execute(deleted)
    archive, manifest = unzipped(browser)
    assert [name for name in archive.namelist() if name != "manifest.json"] == [f"{STUDY}/images/1.2.1.dcm"]
    lost, deleted_one = manifest["missing"]
    assert (lost["kind"], lost["sop_instance_uid"]) == ("sr", "2.25.1")
    assert "missing in the store" in lost["reason"]
    assert deleted_one["sop_instance_uid"] == "1.2.2"
    assert "deleted by retention" in deleted_one["reason"]
    assert browser.get("/studies/1.2.999/zip").status_code == 404


def test_only_what_gains_by_it_is_deflated(site: Site, browser: Browser) -> None:
    add_answer(site, 1, dx(SOPInstanceUID="1.2.1"))
    noise = hashlib.shake_256(b"noise").digest(3 << 20)
    with_result(site, 1, noise)
    archive, _ = unzipped(browser)
    kinds = {info.filename.rsplit("/")[-1]: info.compress_type for info in archive.infolist()}
    assert kinds == {"1.2.1.dcm": ZIP_DEFLATED, "2.25.1.dcm": ZIP_STORED, "manifest.json": ZIP_DEFLATED}


def test_users_who_may_see_patients_have_them_in_the_csv_and_whom_they_saw_is_audited(tmp_path: Path) -> None:
    site = site_in(tmp_path, users=(RITA, ADAM), show_patient="signed-in")
    add_answer(site, 1, dx(PatientName="=Doe^Jane", PatientID="P-0042", AccessionNumber="A-1"))
    add_answer(site, 2, dx(PatientName="Roe^Jane", PatientID="P-0043"))
    index = PatientIndex(Patients(site.ledger), site.stores.received.fetch, wanted=True)
    index.sweep()
    trail.open_trail(site.settings)
    with browsing(site) as browser:
        browser.post("/login", data={"name": RITA.name, "secret": PASSWORD})
        (row,) = table(browser, **search_patient(browser, "p-0042"))
        assert browser.get("/bulk?action=retry&patient=p").status_code == 403  # it needs another role
        browser.cookies.clear()
        browser.post("/login", data={"name": ADAM.name, "secret": PASSWORD})
        assert browser.get("/worklist.csv").status_code == 403
        told = browser.get("/bulk?action=retry", params=search_patient(browser, "p-0042")).text
        assert "None of them has failed" in told
        assert "<b>patient</b> p-0042" in told
    trail.close_trail()
    assert (row["name"], row["patient_id"], row["accession_number"]) == ("'=Doe^Jane", "P-0042", "A-1")
    (seen,) = audit_lines(site, "110110")
    assert '"P-0042"' in seen
    (exported,) = audit_lines(site, "110106")
    assert "1 images patient p-0042" in exported


@pytest.mark.parametrize(
    "path", ["/worklist.csv?patient=p", "/bulk?action=retry&patient=p", "/bulk?action=resend&sort=patient"]
)
def test_nobody_else_searches_for_patients_by_these_ways(site: Site, browser: Browser, path: str) -> None:
    add_answer(site, 1)
    assert browser.get(path).status_code == 403
    if path.startswith("/bulk"):
        assert browser.post(path, data={"count": "1", "newest": "1"}).status_code == 403
