"""Messages and Bundles of rejected images are withdrawn where they are or may be, once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.store.entries import PendingDelivery
from gateway.store.outbox import Outbox
from gateway.store.requeue import Requeue
from gateway.store.schema import deliveries
from tests.support.house import House

EVERYTHING = {"results": {"hl7": {}, "fhir": {}}, "delivery": {"withdrawals": {"result_status": "C"}}}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, {"to": ["outbox", "archive"]}, **EVERYTHING)
    yield made
    made.engine.dispose()


def test_what_was_delivered_is_withdrawn_once_where_it_is(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    assert sorted(each.kind for each in house.deliver("outbox")) == ["fhir", "hl7", "sc", "sr"]
    house.reject(2, uid)
    sent = house.deliver("outbox")
    assert [(each.kind, each.path.suffix) for each in sent] == [
        ("hl7-withdrawal", ".hl7"),
        ("fhir-withdrawal", ".json"),
    ]
    assert b"|RAD|C" in sent[0].path.read_bytes()
    assert house.deliver("archive") == []
    before = [each.path.read_bytes() for each in sent]
    house.reject(3, uid, code="113037")
    assert house.deliver("outbox") == []
    assert [each.path.read_bytes() for each in sent] == before


def test_nothing_is_withdrawn_without_the_setting(tmp_path: Path) -> None:
    house = House(tmp_path, {"to": ["outbox"]}, results=EVERYTHING["results"])
    uid = house.receive(1)
    house.answer()
    house.deliver("outbox")
    house.reject(2, uid)
    assert house.deliver("outbox") == []
    house.engine.dispose()


def test_what_may_be_under_way_is_withdrawn_later_than_it_can_arrive(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    Outbox(house.ledger).claim("archive", "a worker that is killed", 10)
    house.reject(2, uid)
    assert house.deliver("archive") == []
    with house.ledger.transaction() as connection:
        connection.execute(sa.update(deliveries).values(not_before=sa.text("begun_at")))
    assert [each.kind for each in house.deliver("archive")] == ["hl7-withdrawal", "fhir-withdrawal"]


def test_the_last_message_of_an_image_is_withdrawn(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    house.deliver("outbox")
    house.states(results={"hl7": {"receiving_application": "RIS"}, "fhir": {}})
    house.routed({"to": ["outbox", "archive"]})
    Requeue(house.ledger).reprocess(uid)
    house.answer("again")
    corrected = house.deliver("outbox")
    (control_id,) = [control_id_of(each) for each in corrected if each.kind == "hl7"]
    house.reject(2, uid)
    sent = house.deliver("outbox")
    assert [each.kind for each in sent] == ["hl7-withdrawal", "fhir-withdrawal"]
    assert b"|RIS|" in sent[0].path.read_bytes()
    assert control_id_of(sent[0]) != control_id
    assert not any(each.is_superseded for each in sent)


def control_id_of(sent: PendingDelivery) -> bytes:
    return sent.path.read_bytes().split(b"|")[9]


def test_a_withdrawal_that_was_refused_is_sent_again_by_hand(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    house.deliver("outbox")
    house.reject(2, uid)
    outbox = Outbox(house.ledger)
    for each in outbox.claim("outbox", "worker", 100):
        outbox.record_dead(each, "AR")
    assert Requeue(house.ledger).retry(uid).deliveries == 2
    assert [each.kind for each in house.deliver("outbox")] == ["hl7-withdrawal", "fhir-withdrawal"]
