"""A folder that is not the ledger's is waited for: nothing is read, written or deleted in it."""

from pathlib import Path

import pytest

from gateway.errors import ConfigurationError, Retry
from gateway.settings import Retention, Settings
from gateway.store.ledger import Ledger
from gateway.store.marks import MARK, known_mark, mark_of
from gateway.store.outbox import Outbox
from gateway.store.pictures import Pictures
from gateway.store.retention import Cleaner
from gateway.store.spool import Spool
from gateway.store.stores import open_stores
from tests.support.ledger_rows import answer, claim, received, record_answer, state

NAME = f"{1:064x}.dcm"
AT_ONCE = Retention(received_days=0, results_days=0, failed_days=0, max_disk_gb=0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def test_a_mark_is_made_once_and_is_the_same_for_all(ledger: Ledger, root: Path) -> None:
    assert known_mark(root, ledger) is None
    mark = mark_of(root, ledger)
    assert mark_of(root, ledger) == known_mark(root, ledger) == mark
    assert (root / MARK).read_text().strip() == mark.id
    assert [each.name for each in root.iterdir()] == [MARK]


def test_a_new_ledger_takes_the_mark_that_is_there(ledger: Ledger, root: Path) -> None:
    root.mkdir()
    (root / MARK).write_text("of another database\n")
    assert mark_of(root, ledger).id == "of another database"


def unmount(root: Path) -> None:
    root.rename(root.with_name("away"))
    root.mkdir()


def mount_another(root: Path) -> None:
    unmount(root)
    (root / MARK).write_text("another")


def remove(root: Path) -> None:
    root.rename(root.with_name("away"))


def refuse(root: Path) -> None:
    """Let reading the mark fail as it does on a disk with errors."""
    root.rename(root.with_name("away"))
    (root / MARK).mkdir(parents=True)


@pytest.mark.parametrize("happens", [unmount, mount_another, remove, refuse])
def test_nothing_is_written_into_a_folder_that_is_not_the_ledgers(
    ledger: Ledger, root: Path, happens: object
) -> None:
    mark = mark_of(root, ledger)
    spool = Spool(root, mark)
    spool.keep(NAME, [b"first"])
    happens(root)
    before = sorted(root.rglob("*"))
    with pytest.raises(Retry, match=str(root)):
        spool.keep(NAME, [b"second"])
    Spool(root, mark)  # as at a start
    assert sorted(root.rglob("*")) == before


def test_a_folder_that_is_mounted_later_is_used_without_a_restart(ledger: Ledger, root: Path) -> None:
    mark = mark_of(root, ledger)
    unmount(root)
    spool = Spool(root, mark)
    with pytest.raises(Retry):
        spool.keep(NAME, [b"bytes"])
    root.rmdir()
    root.with_name("away").rename(root)
    assert spool.keep(NAME, [b"bytes"]).read_bytes() == b"bytes"


def test_what_to_do_is_told_and_does_it(ledger: Ledger, root: Path) -> None:
    mark = mark_of(root, ledger)
    unmount(root)
    problem = mark.problem() or ""
    assert f"write {mark.id} into {root / MARK}" in problem
    (root / MARK).write_text(mark.id)
    assert mark.problem() is None


def test_a_ledger_from_before_there_were_marks_looks_for_its_files(ledger: Ledger, root: Path) -> None:
    image = received(root.parent)
    ledger.record_received(image)
    with pytest.raises(ConfigurationError, match="is it mounted"):
        mark_of(root, ledger)
    assert not root.exists()
    image.path.parent.mkdir(parents=True)
    image.path.write_bytes(b"bytes")
    assert mark_of(root, ledger).problem() is None


@pytest.mark.parametrize("folder", ["spool", "results"])
def test_retention_deletes_nothing_while_a_folder_is_away(
    ledger: Ledger, tmp_path: Path, folder: str
) -> None:
    stores = open_stores(Settings(data_dir=tmp_path), ledger)
    ledger.record_received(received(tmp_path))
    (image,) = claim(ledger, "batch")
    record_answer(ledger, image, answer(tmp_path, "near"))
    (delivery,) = Outbox(ledger).claim("near", "here-1", 10)
    Outbox(ledger).record_stored(delivery)
    assert state(ledger)[0] == "delivered"
    cleaner = Cleaner(AT_ONCE, ledger, stores, Pictures(tmp_path / "pictures", 1))
    unmount(tmp_path / folder)
    with pytest.raises(Retry):
        cleaner.clean()
    with ledger.transaction() as connection:
        gone = "SELECT count(*) FROM instances WHERE file_deleted_at IS NOT NULL"
        assert connection.exec_driver_sql(gone).scalar_one() == 0
