"""A file of lines follows its name, to another disk, too."""

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
