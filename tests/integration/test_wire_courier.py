"""A courier and a real ledger against PACSs that go wrong once: delivered once, stopped in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from gateway.client import connection
from gateway.deliver.couriers import Couriers
from gateway.processes.couriers import couriers_of
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.queries.images import Images
from tests.support.couriers import wake_until
from tests.support.database import database_in
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.ledger_rows import answer, claim, received, record_answer
from tests.support.sources import dx, encoded
from tests.support.worker import folders_in
from tests.wire.acceptor import Acceptor, Link, Script, accepting
from tests.wire.pacs_scripts import (
    accepting_with,
    after_the_object,
    answering,
    close,
    context,
    in_the_middle,
    stored_with,
)

UID = "2.25.7"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """One result that is due at `pacs`."""
    engine = database_in(tmp_path)
    ledger = Ledger(engine, tmp_path)
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    (tmp_path / "results").mkdir()
    record = answer(tmp_path, "pacs", uid=UID)
    record.results[0].path.write_bytes(
        encoded(dx(SOPInstanceUID=UID, DataSetTrailingPadding=bytes(2_000_000)))
    )
    record_answer(ledger, image, record)
    yield ledger
    engine.dispose()


@contextmanager
def courier(ledger: Ledger, acceptor: Acceptor, timeout_seconds: float) -> Iterator[Couriers]:
    pacs = {
        "name": "pacs", "kind": "dicom", "ae_title": "PACS", "host": "127.0.0.1", "port": acceptor.port,
        "timeout_seconds": timeout_seconds,
    }  # fmt: skip
    rules = {"first_retry_seconds": 0.1, "longest_retry_seconds": 0.1}
    settings = Settings.model_validate({"destinations": [pacs], "routes": [], "delivery": rules})
    couriers = couriers_of(settings, ledger, "worker", folders_in(settings.data_dir))
    couriers.start()
    try:
        yield couriers
    finally:
        couriers.stop()
        couriers.join(monotonic() + 60)


def wait_until(state: str, ledger: Ledger, couriers: Couriers) -> None:
    """Wake the courier whenever something is due, as a worker does, until the delivery is in a state."""
    wake_until(couriers, lambda: delivery(ledger)[0] == state)


def delivery(ledger: Ledger) -> tuple[str, int, str]:
    (version,) = Images(ledger).versions("1.2.1")
    (found,) = version.deliveries
    return found.state, found.attempts, found.last_error or ""


def duplicate(link: Link) -> None:
    """Say that it has the object already."""
    link.accept()
    link.answer(link.request(), 0x0111)
    link.wait_for_end()


GOES_WRONG: dict[str, tuple[Script, float]] = {  # script, and how long the gateway waits for an answer
    "closes": (close, PATIENCE_SECONDS),
    "TLS": (answering(lambda _: bytes.fromhex("15030100020246")), PATIENCE_SECONDS),
    "refuses for now": (accepting_with(contexts=context(1)), PATIENCE_SECONDS),
    "no room": (accepting_with(maximum_length=5), PATIENCE_SECONDS),
    "breaks": (in_the_middle(close), PATIENCE_SECONDS),
    "stops": (in_the_middle(Link.rest), 3),
    "is silent": (after_the_object(lambda link, _: link.rest()), 3),
    "confuses": (stored_with(0x0000, message_id=9), PATIENCE_SECONDS),
    "is full": (stored_with(0xA700), PATIENCE_SECONDS),
}


@pytest.mark.parametrize(("script", "patience"), GOES_WRONG.values(), ids=GOES_WRONG)
def test_what_goes_wrong_once_is_delivered_at_the_second_attempt(
    ledger: Ledger, script: Script, patience: float
) -> None:
    with accepting([script], receive_buffer=4096) as acceptor, courier(ledger, acceptor, patience) as running:
        wait_until("stored", ledger, running)
        assert [uid for uid, _ in acceptor.stored] == [UID]
    assert delivery(ledger)[1] == 2


def test_an_answer_that_is_lost_is_found_again(ledger: Ledger) -> None:
    lost = after_the_object(lambda link, _: link.reset())
    with accepting([lost, duplicate]) as acceptor, courier(ledger, acceptor, 30) as running:
        wait_until("stored", ledger, running)
        assert acceptor.stored == []
    assert delivery(ledger)[1] == 2


def test_an_answer_to_another_message_proves_nothing(ledger: Ledger) -> None:
    """An object that is refused is not delivered because of what was said of another one."""
    scripts = [stored_with(0x0000, message_id=9), stored_with(0xA900)]
    with accepting(scripts) as acceptor, courier(ledger, acceptor, 30) as running:
        wait_until("dead", ledger, running)
    assert "0xA900" in delivery(ledger)[2]


@pytest.mark.parametrize("script", [in_the_middle(Link.rest), after_the_object(lambda link, _: link.rest())])
def test_a_stop_ends_what_is_being_sent(
    ledger: Ledger, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STOP_SECONDS", 0.1)
    with accepting([script], receive_buffer=4096) as acceptor, courier(ledger, acceptor, 3600) as running:
        wait_for(lambda: acceptor.connections > 0)
        running.stop()
        running.join(monotonic() + 60)
        assert not any(thread.name == "deliver to pacs" for thread in threading.enumerate())
    assert delivery(ledger)[:2] == ("pending", 0)
