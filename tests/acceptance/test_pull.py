"""A gateway that fetches by schedule: what comes by two ways is answered once, also through kills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEGLSLossless

from tests.support.gateway_process import GatewayProcess, running, wait_for
from tests.support.sources import encoded, study_of_today
from tests.wire.archive import Archive, archive_of


@dataclass
class Hospital:
    """A gateway and the archive that it asks every second."""

    gateway: GatewayProcess
    archive: Archive

    def ends(self, image: Dataset, versions: int = 1) -> list[tuple[str, str | None]]:
        """Wait until so many data sets of an image have their ends; return state and reason of each."""

        def ended() -> list[Any]:
            found = self.gateway.versions(str(image.SOPInstanceUID))
            settled = [each for each in found if each["state"] not in ("received", "inferred")]
            return settled if len(settled) == versions else []

        return sorted((each["state"], each["reason"]) for each in wait_for(ended))

    def arrived(self, images: list[Dataset]) -> int:
        """Return how many of the images have a row."""
        return sum(bool(self.gateway.versions(str(each.SOPInstanceUID))) for each in images)

    def results_of(self, image: Dataset) -> int:
        """Return how many results of an image's study lie in the outbox."""
        folder = self.gateway.data_dir / "outbox" / str(image.StudyInstanceUID)
        return len(list(folder.glob("*.dcm"))) if folder.exists() else 0


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    with archive_of([]) as archive:
        source = archive.source(schedule={"recent_every_seconds": 1})
        settings: dict[str, Any] = {"doubles": ["instant"], "sources": [source]}
        with running(tmp_path_factory.mktemp("gateway"), **settings) as gateway:
            yield Hospital(gateway, archive)


def test_the_role_pull_fetches_what_nobody_pushes_and_it_is_answered(hospital: Hospital) -> None:
    images = study_of_today(2)
    hospital.archive.images += images
    assert [hospital.ends(each) for each in images] == [[("delivered", None)]] * 2
    assert hospital.results_of(images[0]) == 4
    listing = ("pull", "--list", "--state", "complete")  # a study is that after its images are there
    wait_for(lambda: str(images[0].StudyInstanceUID) in hospital.gateway.command(*listing).stdout)


def test_the_same_image_pushed_with_other_bytes_is_answered_once(hospital: Hospital, tmp_path: Path) -> None:
    (image,) = study_of_today()
    hospital.archive.images.append(image)
    hospital.ends(image)
    file = tmp_path / "compressed.dcm"
    file.write_bytes(encoded(image, JPEGLSLossless))
    (sent,) = hospital.gateway.send(file)
    assert sent.stored
    assert hospital.ends(image, 2) == [("delivered", None), ("ineligible", "pixels_unchanged")]
    assert hospital.results_of(image) == 2


def test_an_image_that_was_pushed_is_not_fetched(hospital: Hospital, tmp_path: Path) -> None:
    (image,) = study_of_today()
    file = tmp_path / "image.dcm"
    file.write_bytes(encoded(image))
    hospital.gateway.send(file)
    hospital.archive.images.append(image)
    uid = str(image.StudyInstanceUID)
    wait_for(
        lambda: any(each["study_instance_uid"] == uid for each in hospital.gateway.events("study_complete"))
    )
    assert uid not in [str(each.StudyInstanceUID) for each in hospital.archive.sent]
    assert hospital.ends(image) == [("delivered", None)]


@pytest.mark.slow
def test_a_gateway_that_is_killed_while_it_fetches_has_each_image_once(hospital: Hospital) -> None:
    images = [each for _ in range(30) for each in study_of_today()]
    hospital.archive.images += images
    for few in (3, 9, 15, 21):
        wait_for(
            lambda few=few: sum(bool(hospital.gateway.versions(str(i.SOPInstanceUID))) for i in images) >= few
        )
        hospital.gateway.kill()
        hospital.gateway.start()
    assert [hospital.ends(each) for each in images] == [[("delivered", None)]] * 30
    assert [hospital.results_of(each) for each in images] == [2] * 30
