"""Delivery to a folder."""

import errno
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.deliver.folder import ResultsFolder
from gateway.deliver.outcome import Verdict
from gateway.doctor.finding import Severity
from gateway.files import mounts
from gateway.records import SR
from gateway.settings import FolderDestination
from gateway.store.entries import PendingDelivery


@pytest.fixture
def delivery(tmp_path: Path) -> PendingDelivery:
    path = tmp_path / "2.25.1.dcm"
    path.write_bytes(b"result")
    return PendingDelivery(
        1, 1, "1.2", "1.2.3", "MODALITY", SR, "1.2.840", "2.25.1", path, datetime.now(UTC),
        "outbox",
    )  # fmt: skip


def folder(path: Path) -> FolderDestination:
    return FolderDestination(name="outbox", kind="folder", path=path)


def test_a_result_lies_under_its_study(tmp_path: Path, delivery: PendingDelivery) -> None:
    outbox = tmp_path / "outbox"
    for _ in range(2):  # again, as after a crash between writing and recording
        (outcome,) = ResultsFolder(folder(outbox)).deliver([delivery])
        assert outcome.verdict is Verdict.DELIVERED
    assert [path for path in outbox.rglob("*") if path.is_file()] == [outbox / "1.2.3" / "2.25.1.dcm"]
    assert (outbox / "1.2.3" / "2.25.1.dcm").read_bytes() == b"result"


def test_what_a_killed_attempt_left_half_written_goes(tmp_path: Path, delivery: PendingDelivery) -> None:
    study = tmp_path / "outbox" / "1.2.3"
    study.mkdir(parents=True)
    (study / ".2.25.1.part").write_bytes(b"half of a longer result")
    (outcome,) = ResultsFolder(folder(tmp_path / "outbox")).deliver([delivery])
    assert outcome.verdict is Verdict.DELIVERED
    assert [path.name for path in study.iterdir()] == ["2.25.1.dcm"]
    assert (study / "2.25.1.dcm").read_bytes() == b"result"


@pytest.mark.parametrize("hostile", ["..", ".", "1..2", "../../etc", "1.2/../..", ""])
def test_a_hostile_study_uid_leads_nowhere(tmp_path: Path, delivery: PendingDelivery, hostile: str) -> None:
    outbox = tmp_path / "outbox"
    (outcome,) = ResultsFolder(folder(outbox)).deliver([replace(delivery, study_instance_uid=hostile)])
    assert outcome.verdict is Verdict.DELIVERED
    (written,) = outbox.rglob("*.dcm")
    assert written.parent.parent == outbox
    assert {path.name for path in tmp_path.iterdir()} == {"outbox", "2.25.1.dcm"}


def test_a_folder_that_cannot_be_written_is_for_later(tmp_path: Path, delivery: PendingDelivery) -> None:
    (tmp_path / "outbox").write_bytes(b"a file stands in the way")
    (outcome,) = ResultsFolder(folder(tmp_path / "outbox")).deliver([delivery])
    assert outcome.verdict is Verdict.LATER
    assert str(tmp_path / "outbox") in str(outcome.error)


@pytest.mark.parametrize("stands", [b"half of a res", b""], ids=["half a file", "an empty file"])
def test_a_file_that_is_not_whole_is_replaced(
    tmp_path: Path, delivery: PendingDelivery, stands: bytes
) -> None:
    study = tmp_path / "outbox" / "1.2.3"
    study.mkdir(parents=True)
    (study / "2.25.1.dcm").write_bytes(stands)
    (outcome,) = ResultsFolder(folder(tmp_path / "outbox")).deliver([delivery])
    assert outcome.verdict is Verdict.DELIVERED
    assert (study / "2.25.1.dcm").read_bytes() == b"result"


def test_a_folder_whose_disk_is_not_mounted_is_for_later(tmp_path: Path, delivery: PendingDelivery) -> None:
    (outcome,) = ResultsFolder(folder(tmp_path / "share" / "outbox"), tmp_path / "var").deliver([delivery])
    assert outcome.verdict is Verdict.LATER
    assert outcome.error == f"{tmp_path / 'share'}: no such folder; is its disk mounted?"
    assert not (tmp_path / "share").exists()


def test_folders_within_the_data_directory_are_made(tmp_path: Path, delivery: PendingDelivery) -> None:
    (outcome,) = ResultsFolder(folder(tmp_path / "var" / "a" / "b"), tmp_path / "var").deliver([delivery])
    assert outcome.verdict is Verdict.DELIVERED


def test_a_result_that_is_not_there_is_named(tmp_path: Path, delivery: PendingDelivery) -> None:
    delivery.path.unlink()
    (outcome,) = ResultsFolder(folder(tmp_path / "outbox")).deliver([delivery])
    assert (outcome.verdict, str(delivery.path) in str(outcome.error)) == (Verdict.LATER, True)


def test_half_a_file_is_never_visible(
    tmp_path: Path, delivery: PendingDelivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, path: Path) -> None:
        path.write_bytes(b"res")
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("gateway.deliver.folder.begin_copy", full)
    (outcome,) = ResultsFolder(folder(tmp_path / "outbox")).deliver([delivery])
    assert (outcome.verdict, "No space left" in str(outcome.error)) == (Verdict.LATER, True)
    assert not [path for path in (tmp_path / "outbox").rglob("*") if path.is_file()]


def test_a_change_in_the_folder_does_not_change_the_result(tmp_path: Path, delivery: PendingDelivery) -> None:
    (outcome,) = ResultsFolder(folder(tmp_path / "outbox")).deliver([delivery])
    assert outcome.verdict is Verdict.DELIVERED
    (tmp_path / "outbox" / "1.2.3" / "2.25.1.dcm").write_bytes(b"edited by a reader")
    assert delivery.path.read_bytes() == b"result"


def test_results_are_synced_together_and_one_that_fails_harms_no_other(
    tmp_path: Path, delivery: PendingDelivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = [], os.fsync

    def sync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    there = [replace(delivery, id=number, study_instance_uid=f"1.2.{number}") for number in (1, 2, 3)]
    gone = replace(delivery, id=4, path=tmp_path / "gone")
    outcomes = list(ResultsFolder(folder(outbox)).deliver([*there, gone]))
    assert [each.verdict for each in outcomes] == [Verdict.DELIVERED] * 3 + [Verdict.LATER]
    assert [each.more_follow for each in outcomes] == [True, True, True, False]
    assert synced == [".2.25.1.part"] * 3 + ["1.2.1", "1.2.2", "1.2.3", "outbox"]


def test_results_wait_for_a_disk_that_is_not_mounted(
    tmp_path: Path, delivery: PendingDelivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The empty folder below the mount would take them, and nobody would see them once the disk is back."""
    share = tmp_path / "share"
    share.mkdir()
    (tmp_path / "fstab").write_text(f"nas:/results {share} nfs _netdev 0 0\n")
    monkeypatch.setattr(mounts, "FSTAB", tmp_path / "fstab")
    for path in (share, share / "results"):
        destination = ResultsFolder(folder(path))
        (outcome,) = destination.deliver([delivery])
        assert outcome.verdict is Verdict.LATER
        assert f"{share} is not mounted" in str(outcome.error)
        (found,) = destination.examine({})
        assert found.verdict is Severity.WRONG
    assert list(share.iterdir()) == []
