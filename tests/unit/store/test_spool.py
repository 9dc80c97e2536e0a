"""The spool: files that are whole or absent."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.store.spool import Spool

NAME = "ab" * 32 + ".dcm"


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_a_kept_file_holds_its_parts_in_order(spool: Spool) -> None:
    path = spool.keep(NAME, [b"head", memoryview(b"body")])
    assert path.read_bytes() == b"headbody"
    assert path == spool.path_for(NAME)


def test_the_first_one_wins(spool: Spool) -> None:
    spool.keep(NAME, [b"first"])
    assert spool.keep(NAME, [b"second"]).read_bytes() == b"first"


def test_the_first_one_wins_also_while_both_write(spool: Spool) -> None:
    def parts() -> Iterator[bytes]:
        spool.keep(NAME, [b"first"])  # another process is faster
        yield b"second"

    assert spool.keep(NAME, parts()).read_bytes() == b"first"
    assert not list((spool.root / "incoming").iterdir())


def test_a_file_is_synced_before_it_has_its_name_and_its_folder_after(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, link = os.fsync, Path.hardlink_to

    def seen_fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        order.append("fsync folder" if target.is_dir() else "fsync file")
        fsync(descriptor)

    def seen_link(path: Path, target: Path) -> None:
        order.append("link")
        link(path, target)

    monkeypatch.setattr(os, "fsync", seen_fsync)
    monkeypatch.setattr(Path, "hardlink_to", seen_link)
    spool.keep(NAME, [b"x"])
    assert order == ["fsync file", "link", "fsync folder"]


def test_a_full_disk_leaves_nothing_behind(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:  # noqa: ARG001
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.keep(NAME, [b"x"])
    assert not [path for path in spool.root.rglob("*") if path.is_file()]


def test_leftovers_of_a_killed_process_are_removed(spool: Spool) -> None:
    spool.keep(NAME, [b"x"])
    (spool.root / "incoming" / "half").write_bytes(b"written")
    spool.remove_leftovers()
    assert (spool.root / "incoming" / "half").exists()  # its writer may still be at it
    spool.remove_leftovers(older_than_seconds=0)
    assert not list((spool.root / "incoming").iterdir())
    assert spool.path_for(NAME).exists()
