"""A file of lines follows its name, to another disk, too."""

import errno
import os
from pathlib import Path

import pytest

from gateway.files.line_file import LineFile


def test_the_same_inode_of_another_disk_is_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LineFile(tmp_path / "log")
    assert file.is_current()
    here = os.stat_result(file.path.stat())
    elsewhere = os.stat_result([*here[:2], here.st_dev + 1, *here[3:]])
    monkeypatch.setattr(Path, "stat", lambda _: elsewhere)
    assert not file.is_current()
    file.close()


def test_a_file_that_cannot_be_opened_anew_closes_no_file_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LineFile(tmp_path / "log")
    file.path.rename(tmp_path / "former")

    def refuse(*_: object) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            file.append(b"lost\n")
    with (tmp_path / "other").open("wb", buffering=0) as other:  # has the lowest number that is free
        file.append(b"line\n")
        other.write(b"of others\n")
    file.close()
    assert (tmp_path / "other").read_bytes() == b"of others\n"
    assert file.path.read_bytes() == b"line\n"
