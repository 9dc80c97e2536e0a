"""From the ledger to a DICOMweb server made of bytes, and back: what an image becomes."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.processes.couriers import couriers_of
from gateway.records import State
from gateway.settings import Settings
from gateway.store.ledger import Ledger
from gateway.store.queries.images import Images
from gateway.store.queries.views import DeliveryView
from tests.support.couriers import run_couriers
from tests.support.ledger_rows import answer, claim, received, record_answer, state
from tests.support.sources import dx, encoded
from tests.support.worker import folders_in
from tests.wire.stow_server import (
    STORES,
    Script,
    StowServer,
    as_json,
    drip,
    failed,
    found,
    head,
    say,
    stow_server,
)

UIDS = ("2.25.1", "2.25.2")


@pytest.fixture(autouse=True)
def images(ledger: Ledger, tmp_path: Path) -> None:
    """Results of two images, due at `web`."""
    (tmp_path / "results").mkdir()
    for number in (1, 2):
        ledger.record_received(received(tmp_path, number))
    for image, uid in zip(claim(ledger, "a"), UIDS, strict=True):
        record = answer(tmp_path, "web", digest=uid, uid=uid)
        record.results[0].path.write_bytes(encoded(dx(SOPInstanceUID=uid)))
        record_answer(ledger, image, record)


def deliveries(ledger: Ledger) -> list[DeliveryView]:
    return [Images(ledger).versions(f"1.2.{number}")[0].deliveries[0] for number in (1, 2)]


def deliver_until(
    condition: Callable[[], object], ledger: Ledger, tmp_path: Path, server: StowServer, timeout: float = 30
) -> None:
    """Let a worker's couriers deliver until the condition holds."""
    web = {
        "name": "web",
        "kind": "stow",
        "url": f"http://127.0.0.1:{server.port}/d",
        "timeout_seconds": timeout,
    }
    delivery = {"first_retry_seconds": 0.05, "longest_retry_seconds": 0.05}
    settings = Settings.model_validate(
        {"data_dir": tmp_path, "destinations": [web], "routes": [], "delivery": delivery}
    )
    run_couriers(couriers_of(settings, ledger, "worker", folders_in(settings.data_dir)), condition)


def both_are_delivered(ledger: Ledger) -> bool:
    return [state(ledger, f"1.2.{number}")[0] for number in (1, 2)] == [State.DELIVERED] * 2


@pytest.mark.parametrize(
    "again",
    [
        say(409, lambda uid: as_json(failed(uid, 0x0110))),
        say(409, b"conflict", "text/plain"),
    ],
    ids=["0110", "no reason"],
)
def test_what_was_stored_before_the_answer_was_lost_is_found(
    again: Script, ledger: Ledger, tmp_path: Path
) -> None:
    """The server stores, hangs up, and is not asked to store again once its metadata can be read."""
    ready, lost = threading.Event(), threading.Event()
    metadata = say(200, found(UIDS[0]))

    def post(connection: Any, request: Any) -> None:
        if request.uid != UIDS[0]:
            STORES(connection, request)
        elif lost.is_set():
            again(connection, request)
        else:
            lost.set()

    def look_up(connection: Any, request: Any) -> None:
        (metadata if ready.is_set() else say(503))(connection, request)

    with stow_server(post, metadata=look_up) as server:
        deliver_until(lambda: deliveries(ledger)[0].attempts >= 2, ledger, tmp_path, server)
        assert deliveries(ledger)[0].state == "pending", "nothing is given up after an unknown end"
        ready.set()
        deliver_until(lambda: both_are_delivered(ledger), ledger, tmp_path, server)


def test_one_object_that_the_server_chokes_on_holds_up_no_other(ledger: Ledger, tmp_path: Path) -> None:
    def choke(connection: Any, request: Any) -> None:
        script = drip(head(200, "Content-Length: 999"), b" ") if request.uid == UIDS[0] else STORES
        script(connection, request)

    with stow_server(choke) as server:
        deliver_until(lambda: deliveries(ledger)[1].state == "stored", ledger, tmp_path, server, 2)
    (held_up, _) = deliveries(ledger)
    assert held_up.state == "pending"


def test_success_without_proof_is_told_and_tried_again(ledger: Ledger, tmp_path: Path) -> None:
    with stow_server(say(200), say(200), STORES) as server:
        deliver_until(lambda: both_are_delivered(ledger), ledger, tmp_path, server)
    events = [each.data for each in Images(ledger).versions("1.2.1")[0].events if "error" in each.data]
    assert "without naming the object" in events[0]["error"]
