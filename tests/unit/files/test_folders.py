"""The name of every folder that is made is on disk, and every file below a folder is found."""

import os
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.files.atomic import replace_file
from gateway.files.folders import files_below, make_folder
from gateway.files.line_file import LineFile
from gateway.files.lock import open_lock
from gateway.store.doorbell import Doorbell, Work
from gateway.store.key_file import key_in

SERVICE = 61234
"""User and group of a service; no name is needed."""


def test_every_folder_that_gets_a_new_name_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    fsync = os.fsync

    def see(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", see)
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert (tmp_path / "a" / "b" / "c").is_dir()


def test_files_are_found_in_every_folder_once_and_by_links(tmp_path: Path) -> None:
    images, elsewhere = tmp_path / "images", tmp_path / "elsewhere"
    for folder in (images / "a" / "b", elsewhere / "study"):
        make_folder(folder)
    for file in (images / "a" / "b" / "2", images / "a" / "1", elsewhere / "study" / "3"):
        file.touch()
    (images / "a" / "circle").symlink_to(images / "a")
    (images / "c").symlink_to(elsewhere / "study")
    (images / "d").symlink_to(elsewhere)
    found = [images / "a" / "1", images / "a" / "b" / "2", images / "c" / "3"]
    assert files_below(images) == found


def test_a_link_that_leads_nowhere_is_found_and_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "gone.dcm").symlink_to("/nowhere/gone.dcm")
    (tmp_path / "itself").symlink_to("itself")
    os.mkfifo(tmp_path / "pipe")
    assert files_below(tmp_path) == [tmp_path / "gone.dcm", tmp_path / "itself"]


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match="away: No such file or directory; make it readable"):
        files_below(tmp_path / "away")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes files of others")
def test_what_root_makes_belongs_to_the_owner_of_the_data_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, SERVICE, SERVICE)
    LineFile(tmp_path / "log" / "gateway.jsonl").close()
    os.close(open_lock(tmp_path / "writers.lock"))
    key_in(tmp_path / "run" / "export.key")
    Doorbell(tmp_path / "run", "1", Work.ANSWERS)
    replace_file(tmp_path / "run" / "roles.json", b"{}")
    made = list(tmp_path.rglob("*"))
    assert {each.name for each in made} >= {
        "log",
        "gateway.jsonl",
        "writers.lock",
        "export.key",
        "roles.json",
    }
    assert {(each.stat().st_uid, each.stat().st_gid) for each in made} == {(SERVICE, SERVICE)}
