"""Readers' words as SRs: made once each, delivered where the gateway's own SR is."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydicom import dcmread
from pydicom.dataset import Dataset

from gateway.processes.website import site_of
from gateway.results.reader_report import KIND
from gateway.settings import Settings
from gateway.store.entries import Agreement
from gateway.store.opening import open_database
from gateway.store.reader_reports import due_reports
from gateway.store.schema import reader_reports, results
from gateway.worker import reader_reports as maker
from gateway.worker.reader_reports import ReaderReports
from tests.support.house import House
from tests.support.key_objects import rejection
from tests.support.postgresql import postgresql
from tests.support.worker import pipeline_in

ON = {"reader_reports": {"organisation": "St. Elsewhere", "role": "physician"}}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, {"to": ["outbox", "archive"]}, delivery=ON)
    yield made
    made.engine.dispose()


def reports_of(house: House) -> ReaderReports:
    stores = pipeline_in(house.settings, house.ledger)[1]
    stated = house.settings.delivery.reader_reports
    assert stated is not None
    return ReaderReports(house.ledger, stores.results, stated.organisation, stated.role)


def say(house: House, uid: str, verdict: Agreement, comment: str = "", reader: str = "Adams") -> None:
    answer = house.image(uid).answer
    assert answer is not None
    feedback = site_of(house.settings, house.ledger).feedback
    feedback.record(uid, reader, verdict, comment, answer.id)


def answered(house: House, *names: str) -> tuple[str, Dataset]:
    """Receive and answer an image, deliver its results; return its UID and the gateway's own SR."""
    uid = house.receive(1)
    house.answer()
    house.deliver(*names)
    own = house.image(uid).standing("sr")
    assert own is not None
    return uid, dcmread(own.path)


def kinds(house: House) -> list[str]:
    with house.ledger.transaction() as connection:
        return list(connection.scalars(sa.select(results.c.kind).order_by(results.c.id)))


def left_due(house: House) -> int:
    with house.ledger.transaction() as connection:
        return len(
            connection.scalars(sa.select(reader_reports.c.feedback_id).where(reader_reports.c.due)).all()
        )


def events_of(house: House, uid: str) -> list[tuple[str, Any]]:
    return [(each.event, each.data) for each in house.image(uid).events]


def test_a_readers_word_arrives_where_the_answer_has_arrived(house: House) -> None:
    uid, own = answered(house, "outbox", "archive")
    content = next(each for each in house.image(uid).results if each.kind == "sr").path.read_bytes()
    say(house, uid, Agreement.DISAGREE, "Infiltrat rechts basal")
    reports_of(house).make()
    sent = house.deliver("outbox", "archive")
    assert [(each.kind, each.destination) for each in sent] == [(KIND, "outbox"), (KIND, "archive")]
    made = dcmread(sent[0].path)
    (predecessor,) = made.PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert predecessor.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == own.SOPInstanceUID
    assert predecessor.SeriesInstanceUID == own.SeriesInstanceUID
    assert made.SOPInstanceUID != own.SOPInstanceUID
    assert next(each for each in house.image(uid).results if each.kind == "sr").path.read_bytes() == content
    told = [data for event, data in events_of(house, uid) if event == "encoded"]
    assert told[-1] == {"kind": KIND, "result_sop_instance_uid": made.SOPInstanceUID}
    assert house.image(uid).state == "delivered"


def test_nothing_is_made_unless_the_settings_ask(tmp_path: Path) -> None:
    house = House(tmp_path, {"to": ["outbox"]})
    uid, _ = answered(house, "outbox")
    say(house, uid, Agreement.AGREE)
    ReaderReports(house.ledger, pipeline_in(house.settings, house.ledger)[1].results).make()
    assert Settings().delivery.reader_reports is None
    assert KIND not in kinds(house)
    house.engine.dispose()


def test_the_same_word_twice_is_one_object_and_another_word_revises_it(house: House) -> None:
    uid, own = answered(house, "outbox")
    for verdict in (Agreement.AGREE, Agreement.AGREE, Agreement.DISAGREE):
        say(house, uid, verdict)
        reports_of(house).make()
        reports_of(house).make()
    first, second = (dcmread(each.path) for each in house.deliver("outbox"))
    (study,) = second.PredecessorDocumentsSequence
    named = [
        each.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for each in study.ReferencedSeriesSequence
    ]
    assert named == [own.SOPInstanceUID, first.SOPInstanceUID]
    assert kinds(house).count(KIND) == 2
    assert left_due(house) == 0


def test_words_that_wait_together_are_made_in_their_order(house: House) -> None:
    uid, _ = answered(house, "outbox")
    for verdict in (Agreement.AGREE, Agreement.UNSURE, Agreement.UNSURE):
        say(house, uid, verdict)
    say(house, uid, Agreement.AGREE, reader="Baker")
    made = []
    while left_due(house):
        reports_of(house).make()
        made.append(kinds(house).count(KIND))
    assert made == [2, 3, 3]


def test_two_workers_at_once_make_one_object(house: House) -> None:
    uid, _ = answered(house, "outbox")
    say(house, uid, Agreement.AGREE)
    with house.ledger.transaction() as connection:
        (due,) = due_reports(connection, 10)
    one, other = reports_of(house), reports_of(house)
    one._make(due)
    other._make(due)
    assert kinds(house).count(KIND) == 1
    assert len(house.deliver("outbox")) == 1


def die_before_the_row(config: dict[str, Any]) -> None:
    """Make what is due in a process that is killed once the file is written."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    vars(maker)["record_report"] = die
    settings = Settings.model_validate(config)
    _, ledger = open_database(settings)
    ReaderReports(ledger, pipeline_in(settings, ledger)[1].results).make()


def test_a_kill_between_file_and_row_leaves_one_object(house: House) -> None:
    uid, _ = answered(house, "outbox")
    say(house, uid, Agreement.AGREE, "yes")
    config = house.settings.model_dump(mode="json")
    child = multiprocessing.get_context("spawn").Process(target=die_before_the_row, args=(config,))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    assert left_due(house) == 1
    assert KIND not in kinds(house)
    before = set(house.settings.directory.results.rglob("*.dcm"))
    reports_of(house).make()
    assert set(house.settings.directory.results.rglob("*.dcm")) == before
    (sent,) = house.deliver("outbox")
    assert sent.path in before
    assert house.deliver("outbox") == []


def test_the_answer_of_a_rejected_image_gets_no_report(house: House) -> None:
    uid, _ = answered(house, "outbox")
    say(house, uid, Agreement.AGREE)
    house.receive(2, rejection(uid, code="113001", SOPInstanceUID="1.2.2"))
    house.answer("note")
    reports_of(house).make()
    assert KIND not in kinds(house)
    assert events_of(house, uid)[-1] == (
        "not_reported",
        {"reader": "Adams", "reason": "the image was rejected by a note"},
    )


def test_a_deleted_report_is_told(house: House) -> None:
    uid, _ = answered(house, "outbox")
    say(house, uid, Agreement.AGREE)
    own = house.image(uid).standing("sr")
    assert own is not None
    own.path.unlink()
    reports_of(house).make()
    assert events_of(house, uid)[-1][0] == "not_reported"
    assert left_due(house) == 0


def test_it_goes_where_the_answer_will_go_and_comes_back_as_the_gateways_own(house: House) -> None:
    uid, _ = answered(house, "outbox")  # the archive is still to get it
    say(house, uid, Agreement.UNSURE)
    reports_of(house).make()
    sent = house.deliver("archive")
    assert sorted(each.kind for each in sent) == [KIND, "sc", "sr"]
    house.receive(3, dcmread(sent[-1].path))
    house.answer("back")
    assert house.image("1.2.3").reason == "own_result"


def test_the_page_offers_the_newest_report(house: House) -> None:
    uid, _ = answered(house, "outbox")
    for verdict in (Agreement.AGREE, Agreement.DISAGREE):
        say(house, uid, verdict)
        reports_of(house).make()
    *_, last = house.deliver("outbox")
    image = house.image(uid)
    newest = image.standing(KIND)
    assert newest is not None
    assert newest.path == last.path
    assert [each.kind for each in image.shown_results].count(KIND) == 1


def test_workers_of_several_machines_make_one_object_of_each_word(tmp_path: Path) -> None:
    server = tmp_path / "server"
    server.mkdir()
    with postgresql(server) as url:
        house = House(tmp_path, {"to": ["outbox"]}, delivery=ON, database=url)
        uid, _ = answered(house, "outbox")
        for reader in ("Adams", "Baker", "Clark"):
            say(house, uid, Agreement.AGREE, reader=reader)
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(reports_of(house).make) for _ in range(4)]:
                done.result()
        assert kinds(house).count(KIND) == 3
        assert len(house.deliver("outbox")) == 3
        assert left_due(house) == 0
        house.engine.dispose()
