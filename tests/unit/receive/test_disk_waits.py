"""Images that wait for a disk that hangs: their connections are closed, others are left alone."""

import threading
from pathlib import Path
from typing import Any, cast

import pytest

from gateway.files import answering
from gateway.files.answering import Answering
from gateway.receive import disk_waits
from gateway.receive.disk_waits import DiskWaits
from tests.support.gateway_process import wait_for


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "ANSWER_SECONDS", 0)
    monkeypatch.setattr(answering, "FRESH_SECONDS", 3600)
    monkeypatch.setattr(disk_waits, "DOUBTFUL_SECONDS", 0)
    monkeypatch.setattr(disk_waits, "LOST_SECONDS", 0)


class Disk(Answering):
    """A folder that answers once `back` is set."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.back = threading.Event()

    def _look(self) -> None:
        self.back.wait()
        super()._look()


def test_an_association_that_waits_for_a_disk_that_hangs_is_named_once(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    waits, assoc = DiskWaits(disk), cast(Any, object())
    with waits.waiting(assoc):
        found = [each for _ in range(1000) for each in waits.hung()]
        assert found == [assoc]
    disk.back.set()


def test_where_the_disk_answers_a_slow_image_may_go_on(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    disk.back.set()
    waits = DiskWaits(disk)
    with waits.waiting(cast(Any, object())):
        wait_for(lambda: not disk.is_hanging())
        assert waits.hung() == []


def test_who_waits_no_more_is_left_alone(tmp_path: Path) -> None:
    disk = Disk(tmp_path)
    waits = DiskWaits(disk)
    with waits.waiting(cast(Any, object())):
        pass
    assert waits.hung() == []
    disk.back.set()
