"""Pulling from an archive: what is found is fetched into the ledger once, and complete only by its rows."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from pydicom.dataset import Dataset
from pydicom.uid import UID, generate_uid
from pynetdicom.dsutils import decode

from gateway.pull.query import Query
from gateway.pull.source import SourceAway
from gateway.settings import Settings
from gateway.store.entries import PullState
from gateway.store.queries.images import Images
from gateway.telemetry.audit import trail
from gateway.telemetry.audit.syslog import BOM
from tests.support.pulling import NOVEMBER, Here, puller_for
from tests.support.sources import dx
from tests.wire.archive import PENDING, Archive, archive_of, find_honestly, send_honestly


def study(images: int = 1, **attributes: Any) -> list[Dataset]:
    """Return the images of one study of one series."""
    shared = {
        "StudyInstanceUID": generate_uid(prefix=None),
        "SeriesInstanceUID": generate_uid(prefix=None),
        "StudyDate": "20261103",
        "StudyTime": "101112",
        "AccessionNumber": "A1",
    }
    return [dx(**(shared | attributes)) for _ in range(images)]


@contextmanager
def pulling(folder: Path, images: list[Dataset], **behaviour: Any) -> Iterator[tuple[Archive, Here]]:
    with archive_of(images, **behaviour) as archive, puller_for(folder, archive.source()) as here:
        yield archive, here


def test_the_images_of_a_period_are_fetched_and_complete(tmp_path: Path) -> None:
    images = [*study(2), *study(1)]
    with pulling(tmp_path, images) as (archive, here):
        assert here.pull() == ["complete", "complete"]
        (version,) = Images(here.ledger).versions(images[0].SOPInstanceUID)
        assert version.calling_ae_title == "ARCHIVE"
        assert [here.rows(each) for each in images] == [1, 1, 1]
        assert here.view(images[0]).listed == 2
        assert archive.most_open == 1


def test_what_is_complete_is_not_asked_for_again(tmp_path: Path) -> None:
    with pulling(tmp_path, study(2)) as (archive, here):
        here.pull()
        assert here.pull() == []
        assert here.pull(by_hand=True) == []
        assert len(archive.sent) == 1


def test_a_study_that_has_grown_is_looked_into_again_and_only_the_new_image_is_asked_for(
    tmp_path: Path,
) -> None:
    images = study(2)
    with pulling(tmp_path, images[:1]) as (archive, here):
        here.pull()
        archive.images.append(images[1])
        assert here.pull() == ["complete"]
        assert [here.rows(each) for each in images] == [1, 1]


def test_studies_without_radiographs_and_series_of_other_parts_are_not_fetched(tmp_path: Path) -> None:
    knee = study(BodyPartExamined="KNEE", Modality="DX")
    lateral = study(SeriesDescription="Chest LAT", BodyPartExamined="CHEST")
    ct = study(Modality="CT")
    with pulling(tmp_path, [*knee, *lateral, *ct]) as (archive, here):
        assert sorted(here.pull()) == ["not_wanted", "not_wanted"]
        assert here.view(knee[0]).pull.detail == "not_chest"
        assert here.view(lateral[0]).pull.detail == "lateral"
        assert here.pulls.of_study(ct[0].StudyInstanceUID) == []
        assert archive.sent == []


def test_an_image_that_was_sent_before_is_not_asked_for(tmp_path: Path) -> None:
    images = study(2)
    with pulling(tmp_path, images[:1]) as (archive, here):
        here.pull()
        archive.images.append(images[1])
        archive.sent.clear()
        here.pull()
        assert len(archive.sent) == 1
        assert here.pull(by_hand=True) == []


def test_success_without_sending_is_partial_and_then_given_up_with_the_list(tmp_path: Path) -> None:
    def send_nothing(*_: object) -> Iterator[Any]:
        yield 0

    images = study(2)
    with pulling(tmp_path, images, send=send_nothing) as (_, here):
        assert here.pull() == ["partial"]
        view = here.view(images[0])
        assert view.missing == tuple(sorted(str(each.SOPInstanceUID) for each in images))
        assert view.pull.detail == "2 missing: the source said that all was sent"
        ended = []
        while "given_up" not in ended:
            ended += here.go_on()
        assert ended == ["partial"] * 6 + ["given_up"]
        assert len(here.view(images[0]).missing) == 2


def test_a_partial_study_is_asked_for_image_by_image_and_completed(tmp_path: Path) -> None:
    def send_first(archive: Archive, keys: Dataset) -> Iterator[Any]:
        found = archive.matching(keys)[:1]
        yield len(found) + 1
        for each in found:
            yield PENDING, each
        yield 0xB000, None

    images = study(3)
    with pulling(tmp_path, images, send=send_first) as (archive, here):
        assert here.pull() == ["partial"]
        archive.send = send_honestly
        assert here.go_on() == ["complete"]
        assert [str(each.QueryRetrieveLevel) for each in archive.sent] == ["SERIES", "IMAGE", "IMAGE"]
        assert [here.rows(each) for each in images] == [1, 1, 1]


@pytest.mark.parametrize("status", [0xA801, 0xA701])
def test_a_status_about_the_source_counts_against_no_study(tmp_path: Path, status: int) -> None:
    def refuse(*_: object) -> Iterator[Any]:
        yield 1
        yield status, None

    images = study()
    with pulling(tmp_path, images, send=refuse) as (archive, here):
        here.puller.find(NOVEMBER)
        with pytest.raises(SourceAway, match=f"0x{status:04X}"):
            here.go_on()
        view = here.view(images[0])
        assert (view.pull.state, view.pull.attempts) == (PullState.FOUND, 0)
        archive.send = send_honestly
        assert here.go_on() == ["complete"]


@pytest.mark.parametrize("status", [0xA702, 0xA900, 0xC001, 0xFE00])
def test_a_status_about_a_study_counts_as_an_attempt(tmp_path: Path, status: int) -> None:
    def refuse(*_: object) -> Iterator[Any]:
        yield 1
        yield status, None

    images = study()
    with pulling(tmp_path, images, send=refuse) as (_, here):
        assert here.pull() == ["partial"]
        assert f"0x{status:04X}" in (here.view(images[0]).pull.detail or "")


def test_pending_with_an_unsupported_key_is_filtered_here(tmp_path: Path) -> None:
    def find_all(archive: Archive, keys: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        level = str(keys.QueryRetrieveLevel)
        for each in archive.images:
            yield 0xFF01, archive.described(each, level)

    wanted, other = study(AccessionNumber="A1"), study(AccessionNumber="A2")
    with pulling(tmp_path, [*wanted, *other], find=find_all) as (_, here):
        assert here.pull(Query(accession_number="A1")) == ["complete"]
        assert [here.rows(wanted[0]), here.rows(other[0])] == [1, 0]


def test_an_archive_that_cuts_its_answers_is_asked_for_shorter_periods(tmp_path: Path) -> None:
    def cut(archive: Archive, keys: Dataset) -> Iterator[tuple[int, Dataset | None]]:
        for number, answer in enumerate(find_honestly(archive, keys)):
            if number == 100:
                return
            yield answer

    images = [
        *(
            each
            for number in range(70)
            for each in study(StudyDate="20261103", StudyTime=f"{number % 24:02}0000")
        ),
        *(each for number in range(70) for each in study(StudyDate=f"202611{number % 5 + 10}")),
    ]
    with pulling(tmp_path, images, find=cut) as (_, here):
        assert len(here.puller.search(NOVEMBER)) == 140


def test_an_archive_that_is_away_says_so_and_changes_nothing(tmp_path: Path) -> None:
    with archive_of(study()) as archive:
        pass
    with (
        puller_for(tmp_path, archive.source()) as here,
        pytest.raises(SourceAway, match="nothing answers"),
    ):
        here.puller.find(NOVEMBER)


def test_a_look_into_a_study_records_nothing(tmp_path: Path) -> None:
    images = study(2)
    with pulling(tmp_path, images) as (archive, here):
        (found,) = here.puller.search(NOVEMBER)
        assert len(here.puller.look_into(found.study_instance_uid).wanted) == 2
        assert here.pulls.newest(10) == []
        assert archive.sent == []


def test_every_question_to_a_source_is_audited_with_its_query(tmp_path: Path) -> None:
    with pulling(tmp_path, study()) as (_, here):
        trail.open_trail(Settings(data_dir=tmp_path))
        try:
            here.pull(Query(NOVEMBER.period, patient_id="P-0042"))
        finally:
            trail.close_trail()
    (file,) = (tmp_path / "audit").iterdir()
    messages = [etree.fromstring(line.partition(BOM)[2]) for line in file.read_bytes().splitlines()]
    queries = [each for each in messages if each.find(".//EventID").get("csd-code") == "110112"]
    asked = []
    for each in queries:
        encoded = b64decode(each.findtext(".//ParticipantObjectQuery"))
        syntax = UID(b64decode(each.find(".//ParticipantObjectDetail").get("value")).decode())
        ds = decode(BytesIO(encoded), syntax.is_implicit_VR, syntax.is_little_endian)
        asked.append((ds.QueryRetrieveLevel, ds.get("PatientID")))
    assert asked == [("STUDY", "P-0042"), ("SERIES", None), ("IMAGE", None)]
    assert "AETITLES=ARCHIVE" in [
        each.get("AlternativeUserID") for each in queries[0].iter("ActiveParticipant")
    ]
