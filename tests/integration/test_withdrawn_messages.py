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
from tests.support.key_objects import rejection

EVERYTHING = {"results": {"hl7": {}, "fhir": {}}, "delivery": {"withdrawals": {"result_status": "C"}}}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, {"to": ["outbox", "archive"]}, **EVERYTHING)
    yield made
    made.engine.dispose()


def reject(house: House, number: int, *uids: str, code: str = "113001") -> None:
    house.receive(number, rejection(*uids, code=code, SOPInstanceUID=f"1.2.{number}"))
    house.answer(f"note {number}")


def deliver(house: House, name: str) -> list[PendingDelivery]:
    outbox = Outbox(house.ledger)
    sent = outbox.claim(name, "worker", 100)
    for each in sent:
        outbox.record_stored(each)
    return sent


def test_what_was_delivered_is_withdrawn_once_where_it_is(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    assert sorted(each.kind for each in deliver(house, "outbox")) == ["fhir", "hl7", "sc", "sr"]
    reject(house, 2, uid)
    sent = deliver(house, "outbox")
    assert [(each.kind, each.path.suffix) for each in sent] == [
        ("hl7-withdrawal", ".hl7"),
        ("fhir-withdrawal", ".json"),
    ]
    assert b"|RAD|C" in sent[0].path.read_bytes()
    assert deliver(house, "archive") == []
    before = [each.path.read_bytes() for each in sent]
    reject(house, 3, uid, code="113037")
    assert deliver(house, "outbox") == []
    assert [each.path.read_bytes() for each in sent] == before


def test_nothing_is_withdrawn_without_the_setting(tmp_path: Path) -> None:
    house = House(tmp_path, {"to": ["outbox"]}, results=EVERYTHING["results"])
    uid = house.receive(1)
    house.answer()
    deliver(house, "outbox")
    reject(house, 2, uid)
    assert deliver(house, "outbox") == []
    house.engine.dispose()


def test_what_may_be_under_way_is_withdrawn_later_than_it_can_arrive(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    Outbox(house.ledger).claim("archive", "a worker that is killed", 10)
    reject(house, 2, uid)
    assert deliver(house, "archive") == []
    with house.ledger.transaction() as connection:
        connection.execute(sa.update(deliveries).values(not_before=sa.text("begun_at")))
    assert [each.kind for each in deliver(house, "archive")] == ["hl7-withdrawal", "fhir-withdrawal"]


def test_the_last_message_of_an_image_is_withdrawn(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    deliver(house, "outbox")
    house.states(results={"hl7": {"receiving_application": "RIS"}, "fhir": {}})
    house.routed({"to": ["outbox", "archive"]})
    Requeue(house.ledger).reprocess(uid)
    house.answer("again")
    corrected = deliver(house, "outbox")
    (control_id,) = [control_id_of(each) for each in corrected if each.kind == "hl7"]
    reject(house, 2, uid)
    sent = deliver(house, "outbox")
    assert [each.kind for each in sent] == ["hl7-withdrawal", "fhir-withdrawal"]
    assert b"|RIS|" in sent[0].path.read_bytes()
    assert control_id_of(sent[0]) != control_id
    assert not any(each.is_superseded for each in sent)


def control_id_of(sent: PendingDelivery) -> bytes:
    return sent.path.read_bytes().split(b"|")[9]


def test_a_withdrawal_that_was_refused_is_sent_again_by_hand(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    deliver(house, "outbox")
    reject(house, 2, uid)
    outbox = Outbox(house.ledger)
    for each in outbox.claim("outbox", "worker", 100):
        outbox.record_dead(each, "AR")
    assert Requeue(house.ledger).retry(uid).deliveries == 2
    assert [each.kind for each in deliver(house, "outbox")] == ["hl7-withdrawal", "fhir-withdrawal"]
