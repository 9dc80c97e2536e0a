"""Patients on the pages: for users who may see them, audited; for nobody else, on no page or fragment."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydicom.dataset import Dataset

from gateway.records import Reason, State
from gateway.settings import Retention, User
from gateway.store.patients import Patients
from gateway.store.queries.filters import Search
from gateway.store.retention import Cleaner
from gateway.store.schema import patient_keys, patients
from gateway.telemetry.audit.trail import close_trail, open_trail
from gateway.web.patient_index import PatientIndex
from gateway.web.security.passwords import hash_password
from gateway.web.security.roles import READ, TABLE
from gateway.web.site import Site
from tests.support.ledger_rows import claim
from tests.support.query_plans import plans_while
from tests.support.site import Browser, add_answer, add_image, browsing, search_patient, site_in
from tests.support.sources import dx

PASSWORD = "correct horse"
TOKEN = "a token of some length"
RITA = User(name="Rita", password=hash_password(PASSWORD))
VERA = RITA.model_copy(update={"name": "Vera", "roles": ("viewer",)})
YAMADA = {
    "SpecificCharacterSet": ["", "ISO 2022 IR 87"],
    "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "PatientID": "TOKYO-77",
    "IssuerOfPatientID": "ST ELSEWHERE",
    "AccessionNumber": "ACC-2026-1",
    "PatientSex": "M",
    "PatientAge": "054Y",
    "StudyDate": "20261101",
    "ViewPosition": "PA",
}
MUELLER = {
    "SpecificCharacterSet": "ISO_IR 192",
    "PatientName": "Müller^Ändra",
    "PatientID": "BERN-12",
    "AccessionNumber": "ACC-2026-2",
    "PatientSex": "F",
    "PatientAge": None,
    "PatientBirthDate": "20200105",
    "StudyDate": "20261101",
    "ViewPosition": "AP",
}
WHO = (
    "Yamada",
    "Tarou",
    "山田",
    "やまだ",
    "TOKYO-77",
    "ELSEWHERE",
    "ACC-2026",
    "Müller",
    "BERN-12",
    "54 years",
)


def image_of(patient: dict[str, Any], study: str, **changes: Any) -> Dataset:
    return dx(**patient | {"StudyInstanceUID": study} | changes)


def end(site: Site, state: State, reason: Reason) -> None:
    (image,) = claim(site.ledger, f"ended {reason}")
    with site.ledger.session() as session:
        site.ledger.end(session, image, state, reason, "as the test wants it")


def filled(folder: Path, **web: Any) -> Site:
    """Open a site with two studies; the second has a lateral and a result that came back, too."""
    site = site_in(folder, users=(RITA, VERA), token=TOKEN, **web)
    add_answer(site, 1, image_of(YAMADA, "1.2.1"), study_instance_uid="1.2.1")
    add_answer(site, 2, image_of(MUELLER, "1.2.2"), study_instance_uid="1.2.2")
    for number, reason in ((3, Reason.LATERAL), (4, Reason.OWN_RESULT)):
        add_image(site, number, image_of(MUELLER, "1.2.2"), study_instance_uid="1.2.2")
        end(site, State.INELIGIBLE, reason)
    return site


def index_of(site: Site) -> PatientIndex:
    wanted = bool(site.settings.web.show_patient)
    return PatientIndex(Patients(site.ledger), site.stores.received.fetch, wanted=wanted)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, Browser]]:
    """A site that shows patients, and a viewer who has signed in."""
    site = filled(tmp_path_factory.mktemp("shown"), show_patient="signed-in")
    index_of(site).sweep()
    open_trail(site.settings)
    with browsing(site) as browser:
        browser.post("/login", data={"name": "Vera", "secret": PASSWORD})
        yield site, browser
    close_trail()


class Row(NamedTuple):
    """A row of the list: folded or not, and its text."""

    is_folded: bool
    text: str


def rows_of(page: str) -> list[Row]:
    parts = page.split("<tr ")[1:]
    return [Row('class="folded"' in each.split(">")[0], each) for each in parts if "data-row" in each]


def test_the_list_shows_who_the_patient_is(shown: tuple[Site, Browser]) -> None:
    told = shown[1].get("/").text
    for text in (
        "Yamada, Tarou",
        "山田 太郎",
        "やまだ たろう",
        "TOKYO-77",
        "ST ELSEWHERE",
        "ACC-2026-1",
        "male 54 years",
    ):
        assert text in told
    for text in ("Müller, Ändra", "female 6 years", "2026-11-01 AP"):
        assert text in told


def test_the_report_shows_who_the_patient_is(shown: tuple[Site, Browser]) -> None:
    site, browser = shown
    (row,) = site.worklist.page(Search(patient="yamada")).rows
    told = browser.get(f"/instances/{row.sop_instance_uid}").text
    for text in (
        "Yamada, Tarou",
        "山田 太郎",
        "TOKYO-77",
        "ST ELSEWHERE",
        "ACC-2026-1",
        "male, 54 years",
        "2026-11-01",
    ):
        assert text in told


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("yama", ["TOKYO-77"]),
        ("YAMADA^TAROU", ["TOKYO-77"]),
        ("yamada, ta", ["TOKYO-77"]),
        ("山田", ["TOKYO-77"]),
        ("やまだ　たろう", ["TOKYO-77"]),
        ("müller", ["BERN-12"]),
        ("MÜLLER Ä", ["BERN-12"]),
        ("bern-1", ["BERN-12"]),
        ("acc-2026", ["BERN-12", "TOKYO-77"]),
        ("tarou", []),
        ("%", []),
    ],
)
def test_a_patient_is_found_by_the_beginning_of_name_or_number(
    shown: tuple[Site, Browser], asked: str, found: list[str]
) -> None:
    rows = rows_of(shown[1].get("/", params=search_patient(shown[1], asked)).text)
    ids = [
        next(each for each in ("TOKYO-77", "BERN-12") if each in row.text)
        for row in rows
        if not row.is_folded
    ]
    assert ids == found


def test_no_address_of_a_search_names_the_patient(shown: tuple[Site, Browser]) -> None:
    browser = shown[1]
    address = search_patient(browser, " Yamada, Tarou ", rows="image", state="", ae="")
    assert address == search_patient(browser, "Yamada, Tarou", rows="image")  # so that going back works
    page = browser.get("/", params=address).text
    assert 'value="Yamada, Tarou"' in page
    links = [part.split('"')[0] for part in page.split('href="')[1:] + page.split('hx-get="')[1:]]
    assert sum("patient=" in link for link in links) > 5
    assert not [link for link in links if "yamada" in link.lower()]


def test_an_address_of_a_search_opens_for_its_reader_alone(shown: tuple[Site, Browser]) -> None:
    site, browser = shown
    for patient in ("yamada", site.access.searches.seal("Rita", "yamada"), "A" * 40, "é", "-"):
        for page in ("/", "/worklist"):
            answer = browser.get(page, params={"patient": patient})
            assert answer.status_code == 422
            assert "search again" in answer.json()["detail"]


def test_a_study_is_one_row_and_its_other_images_are_folded(shown: tuple[Site, Browser]) -> None:
    browser = shown[1]
    study, *others = rows_of(browser.get("/").text)
    assert [row.is_folded for row in (study, *others)] == [False, True, True, False]
    assert "2 more" in study.text
    assert ["own result" in row.text for row in others[:2]] == [True, False]
    hidden = rows_of(browser.get("/?own=hide").text)
    assert [row.is_folded for row in hidden] == [False, True, False]
    assert not any(row.is_folded for row in rows_of(browser.get("/?rows=image").text))
    lateral = rows_of(browser.get("/?reason=lateral").text)
    assert ["lateral view" in row.text for row in lateral] == [True, False, False]


def test_a_column_sorts_the_list_both_ways(shown: tuple[Site, Browser]) -> None:
    for sort, first in (
        ("patient", "BERN-12"),
        ("-patient", "TOKYO-77"),
        ("received", "TOKYO-77"),
        ("", "BERN-12"),
    ):
        page = shown[1].get("/", params={"sort": sort}).text
        assert first in rows_of(page)[0].text
    assert 'aria-sort="ascending"' in shown[1].get("/?sort=patient").text


def test_searches_and_looks_are_audited_once_an_hour(shown: tuple[Site, Browser]) -> None:
    site, browser = shown
    images, studies = search_patient(browser, "山田", rows="image"), search_patient(browser, "山田太")
    for _ in range(2):
        browser.get("/worklist", params=images)
        browser.get("/", params=studies)
        browser.get("/worklist", params=studies)
    audit = "".join(each.read_text() for each in site.settings.directory.audit.glob("audit-*"))
    looks = [line for line in audit.splitlines() if '"110110"' in line and "TOKYO-77" in line]
    assert len(looks) == 1
    assert 'UserID="Vera"' in looks[0]
    questions = [line for line in audit.splitlines() if '"110112"' in line and 'UserID="Vera"' in line]
    for text, times in (("patient: 山田太", 2), ("patient: 山田; rows: image", 1)):
        asked = base64.b64encode(text.encode()).decode()
        assert sum(asked in line for line in questions) == times


def readable(site: Site) -> list[str]:
    """Return the address of everything that can be read, for each image."""
    uids = [row.sop_instance_uid for row in site.worklist.page(Search()).rows]
    own = [
        "/worklist?version=0",
        "/?rows=image&own=hide&sort=-state",
        "/?sort=score",
        "/nowhere",
        "/instances/1.9",
    ]
    paths = [path for method, path, role in TABLE if method == READ and role == "viewer"]
    files = ["/instances/{sop_instance_uid}/download/json"]
    return own + [each.format(sop_instance_uid=uid) for each in (*paths, *files) for uid in uids]


@pytest.mark.parametrize("show_patient", [False, "signed-in"])
def test_without_the_right_nothing_that_is_read_names_a_patient(tmp_path: Path, show_patient: Any) -> None:
    site = filled(tmp_path, show_patient=show_patient)
    if show_patient:
        index_of(site).sweep()
    with browsing(site) as browser:
        if show_patient:  # whoever shows the token may be anybody
            browser.post("/login", data={"name": "Somebody", "secret": TOKEN})
        else:
            browser.post("/login", data={"name": "Rita", "secret": PASSWORD})
        for path in readable(site):
            answer = browser.get(path)
            assert answer.status_code in (200, 204, 404, 503), path
            told = answer.content.decode(errors="replace")
            assert not [who for who in (*WHO, "search-patient", "sort=patient") if who in told], path
        for path in (
            "/?patient=yamada",
            "/?sort=patient",
            "/worklist?sort=-study_date",
            "/worklist?patient=y",
        ):
            answer = browser.get(path)
            assert answer.status_code == 403
            assert "web.show_patient" in answer.json()["detail"]
        own = {"Sec-Fetch-Site": "same-origin"}
        assert browser.post("/search", data={"patient": "yamada"}, headers=own).status_code == 403


def test_the_patient_goes_with_the_file(tmp_path: Path) -> None:
    site = filled(tmp_path, show_patient="signed-in")
    index_of(site).sweep()
    with site.ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET open = false")
        connection.exec_driver_sql("UPDATE instances SET state = 'delivered' WHERE state = 'inferred'")
    rules = Retention(received_days=0, results_days=None, failed_days=None)
    Cleaner(rules, site.ledger, site.stores, site.display._pictures).clean()
    assert kept(site) == (0, 0)
    with browsing(site) as browser:
        browser.post("/login", data={"name": "Rita", "secret": PASSWORD})
        told = browser.get("/").text
        assert "file deleted" in told
        (row, *_) = site.worklist.page(Search()).rows
        told += browser.get(f"/instances/{row.sop_instance_uid}").text
        assert "and the patient with it" in told
        assert not [who for who in WHO if who in told]
    index_of(site).sweep()
    assert kept(site) == (0, 0)


def test_what_was_kept_is_erased_once_the_setting_is_off(tmp_path: Path) -> None:
    site = filled(tmp_path, show_patient="signed-in")
    index_of(site).sweep()
    assert kept(site)[0] == 4
    index = PatientIndex(Patients(site.ledger), site.stores.received.fetch, wanted=False)
    index.start()
    index.stop()
    assert kept(site) == (0, 0)


def test_a_file_that_is_no_image_is_read_once(tmp_path: Path) -> None:
    site = filled(tmp_path, show_patient="signed-in")
    (row, *_) = site.worklist.page(Search()).rows
    (image,) = site.images.complete([row.id])
    image.source.write_bytes(b"not DICOM any more")
    index_of(site).fill(above=0)
    assert kept(site)[0] == 4
    assert not [
        plan
        for plan in plans_while(site.ledger._engine, lambda: index_of(site).fill(above=0))
        if "INSERT" in plan
    ]


def test_a_bug_at_one_image_is_met_once_and_the_log_has_no_word_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = filled(tmp_path, show_patient="signed-in")
    logged: list[dict[str, Any]] = []

    def broken(_: Dataset) -> Any:
        raise ValueError("Yamada^Tarou is no name")

    monkeypatch.setattr("gateway.web.patient_index.patient_of", broken)
    monkeypatch.setattr("gateway.web.patient_index.log_event", lambda _, **data: logged.append(data))
    index_of(site).sweep()
    index_of(site).sweep()
    assert [each["error"] for each in logged] == ["ValueError"] * 4
    assert not any("Yamada" in str(each) for each in logged)
    assert kept(site)[0] == 4


def kept(site: Site) -> tuple[int, int]:
    with site.ledger.transaction() as connection:
        counts = [len(connection.execute(table.select()).all()) for table in (patients, patient_keys)]
    return counts[0], counts[1]
