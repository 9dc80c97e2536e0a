"""What the pages ask the ledger: pages by key, searches, readings, traffic."""

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.errors import GatewayError
from gateway.records import Patient, Reason, State
from gateway.store.entries import Agreement, DeliveryState
from gateway.store.export import export
from gateway.store.outbox import Outbox
from gateway.store.patients import Patients
from gateway.store.queries.filters import Order
from gateway.store.queries.views import DestinationRow
from gateway.store.queries.worklist import Search, View
from gateway.store.requeue import Requeue
from gateway.store.timings import Tally, fold_timings, last_folded, tallies_since
from gateway.web.api.metrics import Stages
from gateway.web.site import Site
from tests.support.ledger_rows import claim
from tests.support.postgresql import postgresql
from tests.support.site import add_answer, add_image, answer_again, browsing, days_ago, judged, site_in


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgresql(tmp_path_factory.mktemp("postgresql")) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "sqlite":
        yield site_in(tmp_path)
        return
    url = request.getfixturevalue("server")
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    opened = site_in(tmp_path, url)
    yield opened
    opened.ledger._engine.dispose()


def runs(tallies: list[Tally]) -> dict[tuple[str, int], int]:
    found: Counter[tuple[str, int]] = Counter()
    for tally in tallies:
        found[tally.stage, tally.bucket] += tally.runs
    return dict(found)


def numbers(page: object) -> list[int]:
    return [row.id for row in page.rows]  # type: ignore[attr-defined]


def test_pages_follow_each_other_in_both_directions(site: Site) -> None:
    for number in range(1, 8):
        add_image(site, number)
    first = site.worklist.page(Search(), limit=3)
    second = site.worklist.page(Search(), before=first.older, limit=3)
    last = site.worklist.page(Search(), before=second.older, limit=3)
    assert [numbers(first), numbers(second), numbers(last)] == [[7, 6, 5], [4, 3, 2], [1]]
    assert first.newer is None
    assert last.older is None
    back = site.worklist.page(Search(), after=last.newer, limit=3)
    assert numbers(back) == numbers(second)
    assert numbers(site.worklist.page(Search(), after=back.newer, limit=3)) == numbers(first)


def test_each_field_of_the_search_finds_its_own(site: Site) -> None:
    add_image(site, 1, calling_ae_title="CT1", received_at=days_ago(3))
    add_image(site, 2, calling_ae_title="CT2", received_at=days_ago(2), study_instance_uid="1.9.77")
    add_image(site, 3, calling_ae_title="CT2", received_at=days_ago(1))
    (first, *_) = claim(site.ledger, "batch", 1)
    with site.ledger.session() as session:
        site.ledger.end(session, first, State.INELIGIBLE, Reason.LATERAL, "a lateral")
    found = {
        "state": Search(state=State.INELIGIBLE),
        "reason": Search(reason=Reason.LATERAL),
        "ae": Search(calling_ae_title="CT1"),
        "since": Search(until=days_ago(2.5)),
    }
    for name, search in found.items():
        assert numbers(site.worklist.page(search)) == [1], name
    assert numbers(site.worklist.page(Search(uid="1.9"))) == [2]
    assert numbers(site.worklist.page(Search(uid="1.2.3"))) == [3]
    assert numbers(site.worklist.page(Search(since=days_ago(2.5)))) == [3, 2]
    assert numbers(site.worklist.page(Search(since=days_ago(0.5)))) == []
    assert site.worklist.calling_ae_titles() == ["CT1", "CT2"]


def test_a_nul_finds_nothing(site: Site) -> None:
    with browsing(site) as browser:
        for path in ("/api/instances/a%00b", "/instances/%00", "/instances/%00/thumbnail"):
            assert browser.get(path).status_code in (400, 404)
        assert browser.get("/?uid=%00").status_code in (200, 400)


def test_the_list_knows_where_results_stand(site: Site) -> None:
    add_answer(site, 1)
    (row,) = site.worklist.page(Search()).rows
    assert row.deliveries == (DestinationRow("outbox", DeliveryState.PENDING, 0),)
    assert row.threshold == 0.5
    assert row.score == 0.9


def test_the_last_word_of_each_reader_counts(site: Site) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    site.feedback.record(uid, "Rita", Agreement.AGREE, "", judged(site, uid))
    site.feedback.record(uid, "Rita", Agreement.DISAGREE, "see the apex", judged(site, uid))
    site.feedback.record(uid, "Ron", Agreement.UNSURE, "", judged(site, uid))
    words = [(row.reader, row.verdict) for row in site.readings.standing()]
    assert words == [("Rita", "disagree"), ("Ron", "unsure")]
    assert len(site.readings.of(uid)) == 3


def test_an_image_without_an_answer_cannot_be_judged(site: Site) -> None:
    uid = add_image(site, 1).sop_instance_uid
    with pytest.raises(GatewayError, match="no answer"):
        site.feedback.record(uid, "Rita", Agreement.AGREE, "", judged(site, uid))


def test_an_export_leads_back_to_nobody(site: Site, tmp_path: Path) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    site.feedback.record(uid, "Rita Reader", Agreement.AGREE, "=HYPERLINK(1)", judged(site, uid))
    file = tmp_path / "export.csv"
    with file.open("w", newline="") as target:
        assert export(site.readings, target, b"key") == 1
    text = file.read_text()
    assert uid not in text
    assert "Rita" not in text
    assert "HYPERLINK" not in text
    assert f"{datetime.now(UTC):%Y-%m}," in text
    with file.open("w", newline="") as target:
        export(site.readings, target, b"key", comments=True)
    assert ",'=HYPERLINK(1)" in file.read_text()


def test_a_word_is_about_the_answer_that_was_seen(site: Site, tmp_path: Path) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    seen = judged(site, uid)
    site.feedback.record(uid, "Rita", Agreement.AGREE, "", seen)
    Requeue(site.ledger).reprocess(uid)
    answer_again(site, threshold=0.25, version="2.0.0")
    with pytest.raises(GatewayError, match="the answer has changed"):
        site.feedback.record(uid, "Ron", Agreement.AGREE, "", seen)
    file = tmp_path / "export.csv"
    with file.open("w", newline="") as target:
        export(site.readings, target, b"key")
    with file.open(newline="") as target:
        (row,) = csv.DictReader(target)
    assert (row["threshold"], row["model_version"]) == ("0.5", "1.2.0")


def test_traffic_is_what_really_came(site: Site) -> None:
    assert site.traffic.last_received() is None
    assert site.traffic.queue() == (0, None)
    row = add_image(site, 1)
    assert site.traffic.last_received() == row.received_at
    assert site.traffic.queue() == (1, row.received_at)
    assert site.traffic.last_delivered() is None


def test_the_last_delivery_is_that_of_any_destination(site: Site) -> None:
    uid = add_answer(site, 1).sop_instance_uid
    outbox = Outbox(site.ledger)
    (delivery,) = outbox.claim("outbox", "here-1", 10)
    outbox.record_stored(delivery)
    (row,) = site.images.versions(uid)
    assert site.traffic.last_delivered() == row.deliveries[0].state_at


def test_statistics_count_by_hour_and_day(site: Site) -> None:
    add_answer(site, 1)
    since = datetime.now(UTC) - timedelta(days=1)
    assert sum(site.statistics.arrivals(since, 3600).values()) == 1
    ((_, _, tenth, count),) = site.statistics.score_counts(since)
    assert (tenth, count) == (9, 1)
    ((_, _, tenth, _),) = site.statistics.brightness_counts(since)
    assert tenth == 4


def test_timings_are_counted_once(site: Site) -> None:
    add_answer(site, 1)
    with site.ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE timings SET time = '2020-01-01 00:00:00.000000'")
        last, tallies = tallies_since(connection, 0)
        assert {tally.stage: tally.runs for tally in tallies} == {"receive": 1, "answer": 1}
        assert tallies_since(connection, last) == (last, [])


def test_old_timings_stay_counted(site: Site) -> None:
    for number in (1, 2):
        add_answer(site, number)
        with site.ledger.transaction() as connection:
            connection.exec_driver_sql("UPDATE timings SET time = '2020-01-01 00:00:00.000000'")
            before = tallies_since(connection, 0)
            assert fold_timings(connection) == number
            assert fold_timings(connection) == 0
            again = tallies_since(connection, 0)
            assert last_folded(connection) == before[0] - 1
        assert runs(before[1]) == runs(again[1]) == {("receive", 1): number, ("answer", 8): number}


def test_what_nobody_has_asked_for_in_weeks_is_counted(site: Site) -> None:
    stages = Stages(site)
    for number in (1, 2):
        add_answer(site, number)
        with site.ledger.transaction() as connection:
            connection.exec_driver_sql("UPDATE timings SET time = '2020-01-01 00:00:00.000000'")
            fold_timings(connection)
        counts = [each.value for each in stages.histogram().samples if each.name.endswith("_count")]
        assert sum(counts) == 2 * number
    add_answer(site, 3)
    with site.ledger.transaction() as connection:
        connection.exec_driver_sql("UPDATE timings SET time = '2020-01-01 00:00:00.000000'")
    sums = [each.value for each in stages.histogram().samples if each.name.endswith("_sum")]
    assert sum(sums) == pytest.approx(3 * (1.5 + 0.01))


NAMES = ("Zoë^Ann", "ärger^b", "Ärger^a", "李^明", "", "Müller^Ö", "O'Neil^X")
"""In the order of reception; equal names and equal scores are paged by number."""


def with_patients(site: Site) -> None:
    for number, name in enumerate((*NAMES, "Zoë^Ann"), 1):
        add_answer(site, number, study_instance_uid=f"1.2.{number}")
        patient = Patient(name, f"P{number}", "", f"A{number % 3}", "F", 1.0, "20261101", "PA")
        Patients(site.ledger).keep({number: patient})


@pytest.mark.parametrize("order", Order)
def test_every_order_lists_every_image_once_both_ways(site: Site, order: Order) -> None:
    with_patients(site)
    for descending in (True, False):
        view = View(order, descending, by_study=True)
        pages = [site.worklist.page(Search(), limit=3, view=view)]
        while pages[-1].older is not None:
            pages.append(site.worklist.page(Search(), before=pages[-1].older, limit=3, view=view))
        found = [numbers(each) for each in pages]
        listed = [number for each in found for number in each]
        assert sorted(listed) == list(range(1, 9))
        back = site.worklist.page(Search(), after=pages[-1].newer, limit=3, view=view)
        assert numbers(back) == found[-2]
        if order is Order.PATIENT:
            names = [name_of(site, number) for number in listed]
            assert names == sorted(names, reverse=descending)


def name_of(site: Site, number: int) -> bytes:
    patient = site.worklist.patient_of(number)
    assert patient
    return patient.name.casefold().replace("^", " ").encode()


def test_a_patient_is_found_in_any_script_on_both_databases(site: Site) -> None:
    with_patients(site)
    for asked, found in (
        ("ZOË", [8, 1]),
        ("är", [3, 2]),
        ("李", [4]),
        ("o'neil x", [7]),
        ("a1", [7, 4, 1]),
        ("p8", [8]),
    ):
        assert numbers(site.worklist.page(Search(patient=asked))) == found
        sorted_by_name = site.worklist.page(Search(patient=asked), view=View(Order.PATIENT, by_study=True))
        assert set(numbers(sorted_by_name)) == set(found)


def test_patients_are_kept_once_and_erased_whole(site: Site) -> None:
    with_patients(site)
    table = Patients(site.ledger)
    assert table.unread() == []
    table.keep({1: Patient("Another^Name")})
    assert name_of(site, 1) == "zoë ann".encode()
    table.erase()
    assert site.worklist.patient_of(1) is None
    assert [each.id for each in table.unread(below=3)] == [2, 1]
    assert numbers(site.worklist.page(Search(patient="zoë"))) == []
