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
MADE = Commissioned(NOTHING, b"statistics", NOTHING, NOTHING)


@pytest.fixture(autouse=True)
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sealed", lambda _: (b"card", "5e" * 32))


def test_a_full_disk_leaves_no_half_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Path, *_: Any, **__: Any) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "create_for_all", full)
    with pytest.raises(GatewayError, match="No space left on device; state another folder by --out"):
        MADE.write(tmp_path / "profile")
    assert not list(tmp_path.iterdir())


def test_the_folder_has_its_name_once_the_profile_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(file: Path, *_: Any, **__: Any) -> None:
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "create_for_all", kill)
        with pytest.raises(KeyboardInterrupt):
            MADE.write(tmp_path / "profile")
    assert not (tmp_path / "profile").exists()
    assert MADE.write(tmp_path / "profile") == "5e" * 32
    assert {each.name for each in (tmp_path / "profile").iterdir()} == {
        "profile.yaml",
        "statistics.safetensors",
    }


@pytest.mark.parametrize("content", ["", "statistics"], ids=["empty", "with a file"])
def test_a_folder_that_is_there_stays(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "profile"
    folder.mkdir()
    if content:
        (folder / content).touch()
    with pytest.raises(GatewayError, match="File exists; state another folder by --out"):
        MADE.write(folder)
    assert [each.name for each in folder.iterdir()] == ([content] if content else [])
