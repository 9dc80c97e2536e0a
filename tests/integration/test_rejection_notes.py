"""Rejection notes withdraw answers, in any order of arrival, once; patients that changed are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.dicom.rejection_note import MOST_REFERENCES, TITLES
from gateway.store.database import open_engine
from gateway.store.ledger import Ledger
from gateway.store.outbox import Outbox
from gateway.store.queries.images import Images
from gateway.telemetry.audit import trail
from gateway.worker.answerer import Answerer
from gateway.worker.outcome import keep_notes
from tests.support.house import House
from tests.support.key_objects import content, evidence, rejection, title
from tests.support.sources import dx
from tests.support.worker import pipeline_in

OUTBOX = {"to": ["outbox"]}
SAID = "a rejection note says: Rejected for Quality Reasons (113001, DCM)"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path, OUTBOX)
    trail.open_trail(made.settings)
    yield made
    trail.close_trail()
    made.engine.dispose()


def events(house: House, uid: str, name: str) -> list[dict[str, Any]]:
    return [dict(each.data) for each in house.image(uid).events if each.event == name]


@pytest.mark.parametrize("code", TITLES)
def test_a_note_withdraws_the_answer_that_was_delivered(house: House, code: str) -> None:
    uid = house.receive(1)
    house.answer()
    house.deliver("outbox")
    assert house.image(uid).state == "delivered"
    note = house.reject(2, uid, code=code)
    assert (note.state, note.reason) == ("ineligible", "rejection_note")
    assert note.detail == f"rejects 1 object: {TITLES[code]} ({code}, DCM)"
    image = house.image(uid)
    assert (image.state, image.reason, image.label) == ("ineligible", "rejected", "Normal")
    assert image.detail == f"a rejection note says: {TITLES[code]} ({code}, DCM)"
    assert {str(each.state) for each in image.deliveries} == {"stored"}
    assert events(house, uid, "withdrawn") == [{"code": code, "note_sop_instance_uid": "1.2.2"}]


def test_the_audit_trail_has_the_withdrawal_with_its_patient(house: House) -> None:
    uid = house.receive(1, PatientID="P-4711")
    house.answer()
    house.reject(2, uid)
    written = b"".join(path.read_bytes() for path in (house.folder / "audit").glob("*.log"))
    (line,) = [line for line in written.splitlines() if b'EventActionCode="U"' in line]
    assert b"1.2.1" in line
    assert b"1.2.2" in line
    assert b"UC00NzEx" in line or b"P-4711" in line


def test_what_was_not_delivered_is_not_sent_any_more(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    house.reject(2, uid)
    assert {str(each.state) for each in house.image(uid).deliveries} == {"withdrawn"}
    assert Outbox(house.ledger).claim("outbox", "worker", 10) == []
    for command in (f"retry {uid}", "retry --failed", f"resend {uid}", f"resend {uid} --to archive"):
        house.run(*command.split())
        assert {str(each.state) for each in house.image(uid).deliveries} == {"withdrawn"}
    refused = house.run("reprocess", uid)
    assert refused.returncode == 1
    assert f"{uid}: {SAID}; it gets no answer any more" in refused.stderr


def test_what_is_in_hand_is_not_tried_again(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    outbox = Outbox(house.ledger)
    first, second = outbox.claim("outbox", "worker", 10)
    house.reject(2, uid)
    outbox.record_failure(first, "away")
    outbox.record_stored(second)  # too late: nobody knows of it but the destination
    assert {str(each.state) for each in house.image(uid).deliveries} == {"withdrawn"}
    assert house.image(uid).reason == "rejected"


def test_a_note_before_its_image_lets_no_answer_be_given(house: House) -> None:
    house.reject(2, "1.2.1")
    uid = house.receive(1)
    house.answer()
    image = house.image(uid)
    assert (image.state, image.reason, image.detail) == ("ineligible", "rejected", SAID)
    assert (image.answer, image.results) == (None, ())


def test_a_note_that_comes_while_its_image_is_answered_lets_no_answer_be_recorded(house: House) -> None:
    """The image is through the network when a second worker ends the note."""
    uid = house.receive(1)
    house.ledger.claim("a", 1)
    pipeline, stores = pipeline_in(house.settings, house.ledger)
    settled = pipeline.answer(house.ledger.begin_batch("a"))
    house.reject(2, uid)
    assert house.image(uid).reason == "rejected"
    Answerer(house.ledger, pipeline, stores)._record(settled)
    image = house.image(uid)
    assert (image.reason, image.answer, image.deliveries) == ("rejected", None, ())


def test_the_references_count_before_the_note_has_ended(house: House) -> None:
    """As after a kill between the two transactions of a note: the image's answer is not recorded."""
    note = rejection("1.2.1", SOPInstanceUID="1.2.2")
    house.receive(2, note)
    house.ledger.claim("note", 1)
    pipeline, stores = pipeline_in(house.settings, house.ledger)
    keep_notes(pipeline.answer(house.ledger.begin_batch("note")), house.ledger)
    uid = house.receive(1)
    house.answer()
    assert house.image(uid).reason == "rejected"
    Answerer(house.ledger, pipeline, stores).answer("note", lambda: None)  # begun anew
    assert house.image("1.2.2").reason == "rejection_note"
    assert len(events(house, uid, "withdrawn")) == 0  # it never had an answer


def test_two_notes_and_a_repeated_batch_withdraw_once(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    house.reject(2, uid)
    house.answer("note 2")
    house.reject(3, uid, code="113037")
    assert len(events(house, uid, "withdrawn")) == 1
    assert house.image(uid).detail == SAID


def test_an_image_that_is_resent_stays_withdrawn(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    house.reject(2, uid)
    house.receive(1)  # the same bytes or others of the same picture
    house.receive(1, dx(SOPInstanceUID=uid, PatientID="P-2"))
    house.receive(1, dx(SOPInstanceUID=uid, WindowWidth=100))
    house.answer("again")
    versions = Images(house.ledger).versions(uid)
    assert len(versions) > 2
    assert {version.reason for version in versions} == {"rejected"}


def test_a_note_on_unknown_and_unanswered_images_changes_none(house: House) -> None:
    hand = house.receive(1, BodyPartExamined="HAND", AnatomicRegionSequence=None)
    house.answer()
    note = house.reject(2, hand, "1.2.77", "1.2.78")
    assert note.detail is not None
    assert note.detail.startswith("rejects 3 objects: ")
    assert house.image(hand).reason == "not_chest"


def test_other_key_objects_and_our_own_note_reject_nothing(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    teaching = house.reject(2, uid, ConceptNameCodeSequence=[title("113004", meaning="For Teaching")])
    private = house.reject(3, uid, ConceptNameCodeSequence=[title("113001", "99LOCAL")])
    bare = house.reject(4, uid, ConceptNameCodeSequence=None)
    assert {each.reason for each in (teaching, private, bare)} == {"not_radiograph"}
    marks = {"Manufacturer": "CXR Gateway", "SeriesDescription": "AI RESEARCH ONLY - NOT FOR DIAGNOSTIC USE"}
    assert house.reject(5, uid, **marks).reason == "own_result"
    assert house.image(uid).state == "inferred"


def test_evidence_counts_where_there_is_no_content(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    assert house.reject(2, uid, ContentSequence=None).reason == "rejection_note"
    assert house.image(uid).reason == "rejected"


def test_content_decides_what_a_note_is_about(house: House) -> None:
    uids = [house.receive(number) for number in (1, 3)]
    house.answer()
    house.reject(2, uids[0], CurrentRequestedProcedureEvidenceSequence=[evidence(uids)])
    assert [house.image(uid).reason for uid in uids] == ["rejected", None]


@pytest.mark.parametrize(
    "hostile",
    [
        {"ContentSequence": None, "CurrentRequestedProcedureEvidenceSequence": None},
        {"ContentSequence": [content("not a UID")], "CurrentRequestedProcedureEvidenceSequence": None},
        {"ContentSequence": [content(f"1.9.{n}") for n in range(MOST_REFERENCES + 1)]},
    ],
    ids=["no reference", "no UID", "too many"],
)
def test_a_note_that_cannot_be_read_in_full_fails_and_withdraws_nothing(
    house: House, hostile: dict[str, Any]
) -> None:
    uid = house.receive(1)
    house.answer()
    note = house.reject(2, uid, **hostile)
    assert (note.state, note.reason) == ("failed", "undecodable")
    assert "rejection note" in (note.detail or "")
    assert house.image(uid).reason is None


def test_a_note_on_thousands_of_images_is_read(house: House) -> None:
    uid = house.receive(1)
    house.answer()
    others = [f"1.9.{number}" for number in range(MOST_REFERENCES - 1)]
    assert house.reject(2, *others, uid).reason == "rejection_note"
    assert house.image(uid).reason == "rejected"


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"PatientID": "P-9"}, "Patient ID"),
        (
            {"PatientName": "Other^Olga", "PatientBirthDate": "19600101"},
            "Patient's Name, Patient's Birth Date",
        ),
    ],
)
def test_a_patient_that_changed_is_told_of_both_data_sets(
    house: House, header: dict[str, str], told: str
) -> None:
    uid = house.receive(1)
    house.answer()
    house.receive(1, dx(SOPInstanceUID=uid, **header))
    house.answer("again")
    changed, first = Images(house.ledger).versions(uid)
    assert (changed.state, changed.reason) == ("ineligible", "patient_changed")
    assert changed.detail == f"the same picture came again with another {told}; its results name the former"
    assert [dict(each.data) for each in first.events if each.event == "patient_changed"] == [
        {"attributes": told}
    ]
    assert first.state == "inferred"


@pytest.mark.parametrize("header", [{"PatientName": "EXAMPLE^EDITH^^"}, {"StudyDescription": "corrected"}])
def test_the_same_patient_in_another_spelling_is_no_other(house: House, header: dict[str, str]) -> None:
    uid = house.receive(1)
    house.answer()
    house.receive(1, dx(SOPInstanceUID=uid, **header))
    house.answer("again")
    assert Images(house.ledger).versions(uid)[0].reason == "pixels_unchanged"


def test_another_ledger_on_the_same_database_sees_the_note(house: House) -> None:
    house.reject(2, "1.2.1")
    engine = open_engine(house.settings.database_url)
    house.receive(1)
    house.ledger.claim("a", 1)
    assert [each.rejected for each in Ledger(engine, house.folder).begin_batch("a")] == [SAID]
    engine.dispose()
