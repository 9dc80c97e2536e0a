"""A folder for results is refused before any time is spent."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.files.folders import check_writable


def test_a_folder_that_can_be_made_is_taken_and_a_file_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "new" / "folder", "--out")
    assert not (tmp_path / "new").exists()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(GatewayError, match=r"file is no folder; name another one by --out"):
            check_writable(path, "--out")
