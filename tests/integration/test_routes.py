"""Routes with conditions, from the received file to the delivery: one decision whenever it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.store.ledger import Ledger
from gateway.store.schema import instances
from gateway.store.workers import Workers
from tests.support.house import House
from tests.support.sources import with_raw

CHILDREN = {"when": "PatientAge < 16", "to": ["children"]}
MAKER = {"when": "startswith(Manufacturer, 'Example') and Modality == 'DX'", "to": ["outbox"]}
REST = {"to": ["archive"]}
IS_NUMBER = 0x00101010


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, CHILDREN, MAKER)
    yield made
    made.engine.dispose()


def test_the_header_decides_where_results_go(house: House) -> None:
    child = house.receive(1, PatientAge="009Y")
    adult = house.receive(2, PatientAge="050Y")
    house.answer()
    assert (house.went(child), house.went(adult)) == ({"children"}, {"outbox"})


def test_an_image_that_meets_no_condition_is_never_delivered(house: House) -> None:
    uid = house.receive(1, Manufacturer="Other")
    house.answer()
    image = house.image(uid)
    assert (image.state, image.reason, image.deliveries) == ("failed", "not_routed", ())
    assert "gateway route says why" in (image.detail or "")
    refused = house.run("retry", uid)
    assert refused.returncode == 1
    assert "no route takes images of MODALITY: gateway route UID says why" in refused.stderr
    house.routed(CHILDREN, MAKER, REST)
    assert house.run("retry", uid).returncode == 0
    assert (house.image(uid).state, house.went(uid)) == ("inferred", {"archive"})


def test_a_condition_that_cannot_be_judged_does_not_hold_and_is_told_once(house: House) -> None:
    source = with_raw({IS_NUMBER: ("AS", b"nine")})
    source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = "1.2.1"
    uid = house.receive(1, source)
    for _ in range(2):  # as after a kill between the answer and the workflow's end
        house.answer()
    assert house.went(uid) == {"outbox"}
    told = [each.data for each in house.image(uid).events if each.event == "route_unclear"]
    assert told == [{"route": 0, "reason": "PatientAge is no age (PS3.5 6.2, AS)"}]


def test_reprocess_and_resend_decide_as_before(house: House) -> None:
    uid = house.receive(1, PatientAge="009Y")
    house.answer()
    done = house.run("resend", uid)
    assert done.returncode == 1  # all of them are on their way already
    assert house.went(uid) == {"children"}
    with house.ledger.transaction() as connection:
        connection.execute(instances.update().values(state="received", batch=None))
    house.answer("b")
    assert house.went(uid) == {"children"}


def test_a_changed_route_sends_each_image_by_its_own_header(house: House) -> None:
    child = house.receive(1, PatientAge="009Y")
    adult = house.receive(2, PatientAge="050Y")
    house.answer()
    house.routed({"when": "PatientAge < 16", "to": ["archive"]}, MAKER)
    done = house.run("resend", "--since", "2020-01-01")
    assert done.stdout == "requeued 2 deliveries of 1 images\n", done.stderr
    assert (house.went(child), house.went(adult)) == ({"children", "archive"}, {"outbox"})


def test_without_its_file_an_image_is_resent_only_by_name(house: House) -> None:
    uid = house.receive(1, PatientAge="009Y")
    house.answer()
    with house.ledger.transaction() as connection:
        connection.execute(instances.update().values(file_deleted_at=house.image(uid).received_at))
    done = house.run("resend", uid)
    assert done.returncode == 1
    assert "1 images have no file any more by which a route could be found; name one by --to" in done.stderr
    assert house.run("resend", uid, "--to", "archive").returncode == 0
    assert house.went(uid) == {"children", "archive"}


def test_a_destination_added_later_gets_what_was_answered_before(house: House) -> None:
    uids = [house.receive(number) for number in (1, 2)]
    house.answer()
    assert house.run("resend", "--since", "2020-01-01", "--to", "archive").returncode == 0
    assert [house.went(uid) for uid in uids] == [{"outbox", "archive"}] * 2


def test_gateway_route_says_which_route_takes_an_image_and_why_not_the_others(house: House) -> None:
    house.routed({"calling_ae_title": "CT*", "to": ["outbox"]}, CHILDREN, MAKER, REST)
    uid = house.receive(1, PatientAge="050Y")
    done = house.run("route", uid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "routes.0  CT* -> outbox: other sender: MODALITY does not match CT*",
        "routes.1  * when PatientAge < 16 -> children: does not hold: PatientAge < 16 does not hold: "
        "PatientAge has another value",
        f"routes.2  * when {MAKER['when']} -> outbox: taken: its condition holds",
        "routes.3  * -> archive: not reached: routes.2 takes the image before it",
    ]
    verdicts = [each["verdict"] for each in json.loads(house.run("route", uid, "--json").stdout)]
    assert verdicts == ["other_sender", "does_not_hold", "taken", "not_reached"]


def test_gateway_route_tells_where_there_is_none(house: House) -> None:
    uid = house.receive(1, Manufacturer="Other")
    done = house.run("route", uid)
    assert done.returncode == 1
    assert "no route takes it; state one under routes" in done.stderr
    assert house.run("route").returncode == house.run("route", uid, "--last", 5).returncode == 2
    (unknown,) = house.run("route", "1.2.9").stderr.splitlines()
    assert "no image with this SOP Instance UID was received" in unknown


def test_a_change_of_routes_is_seen_before_it_is_activated(house: House, tmp_path: Path) -> None:
    child = house.receive(1, PatientAge="009Y")
    house.receive(2, PatientAge="050Y")
    house.receive(3, PatientAge="012Y")
    house.receive(4, BodyPartExamined="HAND", AnatomicRegionSequence=None)
    house.answer()
    before = [house.image(f"1.2.{number}") for number in range(1, 5)]
    new = house.routed(
        {"when": "PatientAge < 10", "to": ["archive", "outbox"]}, MAKER, file=tmp_path / "new.yaml"
    )
    done = house.run("route", "--last", 1000, config=new)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "4 images, 3 with an answer: 2 would change",
        "1 of MODALITY: children -> outbox, as 1.2.3",
        "1 of MODALITY: children -> archive, outbox, as 1.2.1",
    ]
    assert house.run("route", "--last", 1000).stdout == "4 images, 3 with an answer: 0 would change\n"
    assert house.run("route", "--last", 1, config=new).stdout.startswith("1 images, 0 with an answer")
    document = json.loads(house.run("route", "--last", 1000, "--json", config=new).stdout)
    assert [change["images"] for change in document["changes"]] == [["1.2.3"], [child]]
    assert [house.image(f"1.2.{number}") for number in range(1, 5)] == before


def test_of_a_deleted_file_a_preview_says_that_it_cannot_judge(house: House) -> None:
    house.receive(1)
    house.answer()
    with house.ledger.transaction() as connection:
        connection.execute(instances.update().values(file_deleted_at=house.image("1.2.1").received_at))
    assert "1 cannot be judged" in house.run("route", "--last", 10).stdout
    house.routed(REST)
    assert "1 would change" in house.run("route", "--last", 10).stdout


def test_the_ledger_is_not_locked_while_headers_are_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gateway.rules import attributes

    uid = house.receive(1, PatientAge="009Y")
    house.answer()
    house.routed({"when": "PatientAge < 16", "to": ["archive"]})
    other, read = Ledger(house.engine, house.folder), attributes._read
    arrived: list[str] = []

    def reading(*arguments: Any) -> Any:
        if not arrived:
            arrived.append("meanwhile")
            Workers(other).beat("meanwhile")
        return read(*arguments)

    monkeypatch.setattr(attributes, "_read", reading)
    assert house.run("resend", uid).returncode == 0
    assert arrived == ["meanwhile"]


def test_the_source_that_an_image_was_fetched_from_decides_even_without_its_file(house: House) -> None:
    house.routed({"when": "pulled_from == 'cohort'", "to": ["archive"]}, REST | {"to": ["outbox"]})
    fetched, pushed = house.receive(1), house.receive(2)
    with house.ledger.transaction() as connection:
        this = instances.c.sop_instance_uid == fetched
        connection.execute(instances.update().where(this).values(pulled_from="cohort"))
    house.answer()
    assert (house.went(fetched), house.went(pushed)) == ({"archive"}, {"outbox"})
    assert house.run("route", "--last", "2").stdout.startswith("2 images, 2 with an answer: 0 would change")
    told = house.run("route", pushed).stdout
    assert "does not hold: pulled_from is absent" in told.replace("\n", " ")
    house.image(fetched).source.unlink()
    house.routed({"when": "present(pulled_from)", "to": ["children"]}, REST)
    with house.ledger.transaction() as connection:
        connection.execute(instances.update().values(file_deleted_at=instances.c.received_at))
    assert house.run("resend", fetched).returncode == 0
    assert house.went(fetched) == {"archive", "children"}
    (document,) = json.loads(house.run("show", fetched, "--json").stdout)
    assert document["pulled_from"] == "cohort"
