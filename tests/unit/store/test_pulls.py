"""Rows of pulled studies on both databases: what is due, what is missing, what changes meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from gateway.store import clock_setback, schema
from gateway.store.clock import now
from gateway.store.database import open_engine
from gateway.store.entries import FoundInstance, FoundStudy, Pull, PullState
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.pulls import Pulls
from gateway.store.queries.images import Images
from gateway.store.source_rows import SourceRows
from gateway.store.workers import Workers
from tests.support.database import database_in
from tests.support.ledger_rows import received
from tests.support.postgresql import postgresql

STUDY = FoundStudy("1.2.100", "20261103", ("DX",), 2)
LISTED = [FoundInstance("1.2.1", "1.2.100.1"), FoundInstance("1.2.2", "1.2.100.1")]
RULES = {"most_attempts": 3, "first_retry_seconds": 3600.0}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    folder = tmp_path_factory.mktemp("ledger")
    if request.param == "sqlite":
        engine = database_in(folder)
        yield Ledger(engine, folder)
        engine.dispose()
        return
    with postgresql(folder) as url:
        engine = open_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        upgrade(engine)
        yield Ledger(engine, folder)
        engine.dispose()


@pytest.fixture
def pulls(kept: Ledger) -> Pulls:
    return Pulls(kept)


def claimed(pulls: Pulls, source: str) -> Pull:
    pull = pulls.claim(source)
    assert pull is not None
    return pull


def test_a_study_goes_from_found_to_complete_by_its_rows(kept: Ledger, pulls: Pulls) -> None:
    assert pulls.record_found("a", [STUDY]) == ["1.2.100"]
    assert pulls.record_found("a", [STUDY]) == ["1.2.100"]  # it is still due
    pull = claimed(pulls, "a")
    assert [each.sop_instance_uid for each in pulls.record_listed(pull, LISTED)] == ["1.2.1", "1.2.2"]
    folder = kept.absolute("")
    kept.record_received(received(folder, 1))
    partial = pulls.settle(pull, "", is_listed=True, **RULES)
    assert (partial.state, partial.attempts) == (PullState.PARTIAL, 1)
    assert pulls.claim("a") is None  # it waits for an hour
    kept.record_received(received(folder, 2))
    pulls.record_found("a", [STUDY], by_hand=True)
    pull = claimed(pulls, "a")
    assert pulls.record_listed(pull, LISTED) == []
    assert pulls.settle(pull, "", is_listed=True, **RULES).state is PullState.COMPLETE
    assert pulls.record_found("a", [STUDY], by_hand=True) == []
    (view,) = pulls.newest(5, source="a", state=PullState.COMPLETE)
    assert (view.listed, view.missing) == (2, ())


def test_an_image_that_comes_while_it_is_asked_for_names_its_source(kept: Ledger, pulls: Pulls) -> None:
    pulls.record_found("b", [replace(STUDY, study_instance_uid="1.2.200")])
    pulls.record_listed(claimed(pulls, "b"), [FoundInstance("1.2.21", "1.2.200.1")])
    folder = kept.absolute("")
    for number in (21, 22):
        kept.record_received(received(folder, number))
    found = {n: Images(kept).versions(f"1.2.{n}")[0] for n in (21, 22)}
    assert [found[21].pulled_from, found[22].pulled_from] == ["b", None]


def test_a_study_that_changes_while_it_is_asked_for_is_looked_into_again(pulls: Pulls) -> None:
    study = replace(STUDY, study_instance_uid="1.2.300", instances=1)
    pulls.record_found("c", [study])
    pull = claimed(pulls, "c")
    pulls.record_listed(pull, [])
    pulls.record_found("c", [replace(study, instances=2)])
    assert pulls.settle(pull, "", is_listed=True, **RULES).state is PullState.FOUND
    assert claimed(pulls, "c").told == 2


def test_a_study_without_a_number_is_looked_into_again_once_its_listing_is_old(pulls: Pulls) -> None:
    study = replace(STUDY, study_instance_uid="1.2.400", instances=None)
    pulls.record_found("d", [study])
    pull = claimed(pulls, "d")
    pulls.record_listed(pull, [])
    pulls.settle(pull, "", is_listed=True, **RULES)
    assert pulls.record_found("d", [study]) == []
    hour = timedelta(hours=1)
    assert pulls.record_found("d", [study], listed_before=datetime.now(UTC) - hour) == []
    assert pulls.record_found("d", [study], listed_before=datetime.now(UTC) + hour) == ["1.2.400"]


def test_a_study_that_is_not_listed_is_never_complete(pulls: Pulls) -> None:
    pulls.record_found("e", [replace(STUDY, study_instance_uid="1.2.500")])
    pull = claimed(pulls, "e")
    settled = pulls.settle(pull, "no answer", is_listed=False, **RULES)
    assert (settled.state, settled.detail) == (PullState.PARTIAL, "no answer")


def test_a_source_remembers_its_windows_and_its_absence(kept: Ledger) -> None:
    rows, noon = SourceRows(kept), datetime(2026, 11, 24, 12)  # noqa: DTZ001 - local
    assert rows.of("f").searched == {}
    assert [rows.record_away("f", "nothing answers there") for _ in range(3)] == [5, 10, 20]
    assert rows.of("f").failures == 3
    rows.record_searched("f", ["recent", "sweep"], noon)
    assert rows.of("f").searched == {"recent": noon, "sweep": noon}
    assert (rows.of("f").failures, rows.of("f").error) == (0, None)


def test_a_study_that_was_put_back_waits_through_searches_until_a_person_asks(pulls: Pulls) -> None:
    pulls.record_found("waits", [STUDY])
    pulls.put_back(claimed(pulls, "waits"), "503", 3600)
    pulls.record_found("waits", [STUDY])
    assert pulls.claim("waits") is None
    pulls.record_found("waits", [STUDY], by_hand=True)
    assert pulls.claim("waits") is not None


def test_a_study_that_is_left_before_it_is_listed_counts_an_attempt(pulls: Pulls) -> None:
    pulls.record_found("left", [STUDY])
    assert [claimed(pulls, "left").attempts for _ in range(3)] == [0, 1, 2]


def test_a_clock_that_was_set_back_keeps_no_study_waiting(kept: Ledger, pulls: Pulls) -> None:
    """One was found, one asked for, and one is incomplete, while the clock was months ahead."""
    uids = [f"1.2.90{number}" for number in range(3)]
    pulls.record_found("clock", [replace(STUDY, study_instance_uid=uid) for uid in uids])
    pull = claimed(pulls, "clock")
    pulls.record_listed(pull, [FoundInstance("1.2.9001", "1.2.90.1")])
    pulls.settle(pull, "", is_listed=True, **RULES)
    claimed(pulls, "clock")
    SourceRows(kept).record_away("clock", "refused")
    workers = Workers(kept)
    workers.beat("worker")
    ahead = now() + timedelta(days=100)
    with kept.transaction() as connection:
        connection.execute(sa.update(schema.pulls).values(not_before=ahead, listed_at=ahead))
        connection.execute(sa.update(schema.sources).values(retry_at=ahead))
        connection.execute(sa.update(schema.workers).values(beat_at=ahead))
    assert pulls.claim("clock") is None
    assert workers.beat("worker")
    with kept.transaction() as connection:
        rows = connection.execute(sa.select(schema.pulls).where(schema.pulls.c.source == "clock")).all()
    assert {row.state for row in rows} == {PullState.FOUND, PullState.ASKED, PullState.PARTIAL}
    assert all(row.not_before <= now() and row.listed_at <= now() for row in rows)
    assert pulls.claim("clock") is not None
    assert SourceRows(kept).of("clock").retry_at is None


def test_every_time_that_work_waits_for_is_cleared() -> None:
    waited_for = {"not_before", "retry_at", "beat_at", "heard_at", "listed_at"}
    columns = [column for table in schema.metadata.tables.values() for column in table.columns]
    expected = {str(each) for each in columns if each.name in waited_for}
    cleared = clock_setback.TO_NOTHING + clock_setback.TO_LONG_AGO + clock_setback.TO_NOW
    assert {str(each) for each in cleared} == expected
