"""The doorbell: rings cross processes, several count as one, and nobody waits where nobody listens."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.store.answers import Answered
from gateway.store.database import make_database, open_engine
from gateway.store.doorbell import Doorbell, Doorbells, Work
from gateway.store.entries import AnswerRecord, StoredInstance
from gateway.store.ledger import Ledger
from gateway.store.migrate import upgrade
from gateway.store.requeue import Requeue
from tests.support.gateway_process import PATIENCE_SECONDS
from tests.support.ledger_rows import answer, claim, received, record_answer

LISTENER = """
import sys
from pathlib import Path
from gateway.store.doorbell import Doorbell, Work
bell = Doorbell(Path(sys.argv[1]), "there-1", Work.ANSWERS)
for line in ("listening", "heard"):
    print(line, flush=True)
    bell.wait(float(sys.argv[2]))
"""


def test_a_ring_wakes_a_worker_in_another_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LISTENER, str(tmp_path), str(PATIENCE_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        Doorbells(tmp_path).ring(Work.ANSWERS)
        assert listener.stdout.readline() == "heard\n"
        listener.kill()


def test_a_worker_that_was_killed_keeps_nobody_waiting(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LISTENER, str(tmp_path), str(PATIENCE_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        listener.kill()
    Doorbells(tmp_path).ring(Work.ANSWERS)
    again = Doorbell(tmp_path, "there-1", Work.ANSWERS)
    assert not again.wait(0)
    Doorbells(tmp_path).ring(Work.ANSWERS)
    assert again.wait(0)


def test_each_worker_hears_each_kind_of_work_and_several_rings_are_one(tmp_path: Path) -> None:
    bells = [Doorbell(tmp_path, name, Work.ANSWERS) for name in ("here-1", "here-2")]
    other = Doorbell(tmp_path, "here-1", Work.DELIVERIES)
    for _ in range(3):
        Doorbells(tmp_path).ring(Work.ANSWERS)
    assert [bell.wait(0) for bell in bells] == [True, True]
    assert not any(bell.wait(0) for bell in (*bells, other))


def test_no_number_of_unheard_rings_blocks(tmp_path: Path) -> None:
    bell, bells = Doorbell(tmp_path, "busy-1", Work.ANSWERS), Doorbells(tmp_path)
    for _ in range(70_000):
        bell.ring()
    bells.ring(Work.ANSWERS)
    assert bell.wait(0)


def test_where_no_fifo_can_be_made_a_worker_wakes_itself(tmp_path: Path) -> None:
    bell = Doorbell(tmp_path / "there is no such folder", "here-1", Work.ANSWERS)
    bell.ring()
    assert bell.wait(0)


def test_a_fifo_is_readable_for_its_owner_alone(tmp_path: Path) -> None:
    Doorbell(tmp_path, "here-1", Work.ANSWERS)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.fixture
def rung() -> list[Work]:
    return []


@pytest.fixture
def ledger(tmp_path: Path, rung: list[Work]) -> Ledger:
    class Recorded:
        def ring(self, work: Work) -> None:
            rung.append(work)

    make_database(tmp_path / "gateway.sqlite")
    engine = open_engine(f"sqlite:///{tmp_path}/gateway.sqlite")
    upgrade(engine)
    yield Ledger(engine, tmp_path, Recorded())
    engine.dispose()


def test_what_makes_work_rings_after_its_commit(ledger: Ledger, rung: list[Work], tmp_path: Path) -> None:
    def heard(act: Callable[[], object]) -> set[Work]:
        rung.clear()
        act()
        return set(rung)

    assert heard(lambda: ledger.record_received(received(tmp_path))) == {Work.ANSWERS}
    (image,) = claim(ledger, "a")
    assert heard(lambda: ledger.release("a", 3600)) == {Work.ANSWERS}
    assert heard(lambda: Requeue(ledger).reprocess("1.2.1")) == {Work.ANSWERS}
    (image,) = claim(ledger, "b")
    assert heard(lambda: record_answer(ledger, image, answer(tmp_path, "pacs"))) == {Work.DELIVERIES}


def record_and_fail(ledger: Ledger, image: StoredInstance, record: AnswerRecord) -> None:
    with ledger.session() as session:
        ledger.record_answers(session, [Answered(image, [record])])
        raise ZeroDivisionError


def test_what_is_rolled_back_rings_nobody(ledger: Ledger, rung: list[Work], tmp_path: Path) -> None:
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "a")
    rung.clear()
    with pytest.raises(ZeroDivisionError):
        record_and_fail(ledger, image, answer(tmp_path, "pacs"))
    assert rung == []


def test_a_ring_that_no_descriptor_is_left_for_is_lost_and_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(_: str) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    bell = Doorbell(tmp_path, "here-1", Work.ANSWERS)
    with monkeypatch.context() as at_its_limit:
        at_its_limit.setattr(os, "scandir", too_many)
        Doorbells(tmp_path).ring(Work.ANSWERS)
    assert not bell.wait(0)
    Doorbells(tmp_path).ring(Work.ANSWERS)
    assert bell.wait(0)
