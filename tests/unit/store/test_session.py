"""A session: row, log line and audit entry of an event come together, after the commit, or not at all."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from gateway.errors import Retry
from gateway.records import Reason, State
from gateway.store.entries import ImageIdentity
from gateway.store.ledger import Ledger
from gateway.store.schema import events
from gateway.telemetry.events import Event
from tests.support.database import database_in
from tests.support.ledger_rows import claim, received

IMAGE = ImageIdentity(1, "1.2.1", "1.2.100", "MODALITY")


@pytest.fixture
def log() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    engine = database_in(tmp_path)
    ledger = Ledger(engine, tmp_path)
    ledger.record_received(received(tmp_path))
    return ledger


def history(ledger: Ledger) -> list[str]:
    with ledger.transaction() as connection:
        return list(connection.scalars(sa.select(events.c.event).order_by(events.c.id)))


def test_an_event_is_told_once_after_the_commit(ledger: Ledger, log: list[Any]) -> None:
    heard: list[list[str]] = []
    with ledger.session() as session:
        session.tell(Event.INFERRED, IMAGE, audit=lambda: heard.append(history(ledger)), label="Normal")
        session.tell(Event.ENCODED, IMAGE, kind="sr")
        assert (log, heard) == ([], [])
    names = {"sop_instance_uid": "1.2.1", "study_instance_uid": "1.2.100", "calling_ae_title": "MODALITY"}
    assert log == [
        {"event": "inferred", "log_level": "info", "label": "Normal"} | names,
        {"event": "encoded", "log_level": "info", "kind": "sr"} | names,
    ]
    assert heard == [history(ledger)] == [["received", "inferred", "encoded"]]  # audited once committed


def test_what_is_rolled_back_is_told_nowhere(ledger: Ledger, log: list[Any]) -> None:
    heard: list[str] = []

    def fail() -> None:
        with ledger.session() as session:
            session.tell(Event.DELIVERED, IMAGE, audit=lambda: heard.append("audit"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (log, heard) == ([], [])
    assert history(ledger) == ["received"]


def test_a_commit_that_fails_tells_nothing(
    ledger: Ledger, log: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise sa.exc.OperationalError("COMMIT", None, OSError("disk full"))

    def deliver() -> None:
        with ledger.session() as session:
            session.tell(Event.DELIVERED, IMAGE, audit=lambda: heard.append("audit"))

    heard: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(sa.engine.default.DefaultDialect, "do_commit", fail)
        with pytest.raises(Retry, match="disk full"):
            deliver()
    assert (log, heard) == ([], [])
    assert history(ledger) == ["received"]


def test_an_image_that_comes_twice_is_told_twice_as_what_it_is(
    ledger: Ledger, tmp_path: Path, log: list[Any]
) -> None:
    heard: list[str] = []
    ledger.record_received(received(tmp_path), audit=lambda: heard.append("again"))
    assert [(line["event"], line["arrival"]) for line in log] == [("received", "resent")]
    assert heard == ["again"]


def test_a_worker_that_comes_too_late_tells_nothing(ledger: Ledger, log: list[Any]) -> None:
    (image,) = claim(ledger, "given up")
    ledger.release("given up", 0)
    claim(ledger, "another")
    with ledger.session() as session:
        assert not ledger.end(session, image, state=State.FAILED, reason=Reason.POISON, detail="too late")
    assert log == []
