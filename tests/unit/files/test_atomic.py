"""Atomic writes and locks: whole files, the first or the last writer wins, one holder."""

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.files.atomic import OWNER_READS, begin_copy, create_for_all, create_once, replace_file
from gateway.files.lock import open_lock, try_lock


def test_the_last_writer_of_a_state_file_wins(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    replace_file(file, b"first")
    replace_file(file, b"second")
    assert file.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_leaves_a_state_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    file = tmp_path / "state.json"
    replace_file(file, b"first")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            replace_file(file, b"second")
    assert file.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [file]


def test_the_first_writer_of_a_key_wins(tmp_path: Path) -> None:
    file = tmp_path / "key"
    create_once(file, [b"fir", b"st"], mode=OWNER_READS)
    create_once(file, [b"second"], mode=OWNER_READS)
    assert file.read_bytes() == b"first"
    assert stat.S_IMODE(file.stat().st_mode) == OWNER_READS
    assert list(tmp_path.iterdir()) == [file]


def test_what_cannot_be_read_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        create_once(tmp_path / "key", broken())
    assert list(tmp_path.iterdir()) == []


def test_a_file_for_all_needs_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refuse)
    file = tmp_path / "report.html"
    create_for_all(file, b"a page")
    assert file.read_bytes() == b"a page"
    with pytest.raises(FileExistsError):
        create_for_all(file, b"another")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(PermissionError):
        create_for_all(tmp_path / "other.html", b"a page")
    assert list(tmp_path.iterdir()) == [file]


def test_a_lock_has_one_holder_until_it_is_closed(tmp_path: Path) -> None:
    first, second = open_lock(tmp_path / "lock"), open_lock(tmp_path / "lock")
    assert try_lock(first)
    assert not try_lock(second)
    os.close(first)
    assert try_lock(second)
    os.close(second)


@pytest.mark.parametrize("error", [None, errno.EXDEV, errno.EOPNOTSUPP])
def test_a_copy_is_whole_and_its_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int | None
) -> None:
    content = os.urandom(3_000_001)
    (tmp_path / "result").write_bytes(content)
    by_system = os.copy_file_range

    def partly(source: int, copy: int, count: int) -> int:
        if error and os.lseek(copy, 0, os.SEEK_CUR):
            raise OSError(error, os.strerror(error))
        return by_system(source, copy, min(count, 1_000_000))

    monkeypatch.setattr(os, "copy_file_range", partly)
    begin_copy(tmp_path / "result", tmp_path / "copy").close()
    assert (tmp_path / "copy").read_bytes() == content
    assert (tmp_path / "copy").stat().st_ino != (tmp_path / "result").stat().st_ino


def test_a_full_disk_ends_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "result").write_bytes(b"content")
    monkeypatch.setattr(os, "copy_file_range", full)
    with pytest.raises(OSError, match="No space left"):
        begin_copy(tmp_path / "result", tmp_path / "copy").close()
