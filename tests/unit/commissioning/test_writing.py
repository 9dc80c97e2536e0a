"""A profile is written whole, or its folder's name stays free."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

import gateway.commissioning.commission as module
from gateway.commissioning.commission import Commissioned
from gateway.errors import GatewayError

NOTHING: Any = None
MADE = Commissioned(NOTHING, NOTHING, NOTHING, NOTHING)


def test_a_full_disk_leaves_no_half_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, *_: Any) -> str:
        (folder / "half").write_bytes(b"")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "write_profile", full)
    with pytest.raises(GatewayError, match="No space left on device; state another folder by --out"):
        MADE.write(tmp_path / "profile")
    assert not (tmp_path / "profile").exists()


def test_a_profile_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "statistics").touch()
    with pytest.raises(GatewayError, match="File exists; state another folder by --out"):
        MADE.write(tmp_path)
    assert (tmp_path / "statistics").exists()
