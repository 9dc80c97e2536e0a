"""A file while it is written."""

import errno
import hashlib
import os
from pathlib import Path

import pytest

from gateway.files.draft import Draft


def test_a_draft_is_hashed_counted_and_read_without_its_head(tmp_path: Path) -> None:
    draft = Draft(tmp_path, b"head")
    draft.write(b"bo")
    draft.write(memoryview(b"dy"))
    assert (draft.size, draft.sha256) == (4, hashlib.sha256(b"body").hexdigest())
    with draft.reader() as file:
        assert file.read() == b"body"
    draft.finish(tmp_path / "whole")
    assert (tmp_path / "whole").read_bytes() == b"headbody"
    assert list(tmp_path.iterdir()) == [tmp_path / "whole"]


def test_the_first_of_two_drafts_has_the_name(tmp_path: Path) -> None:
    first, second = Draft(tmp_path), Draft(tmp_path)
    second.write(b"second")
    first.write(b"first")
    first.finish(tmp_path / "name")
    second.finish(tmp_path / "name")
    assert (tmp_path / "name").read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [tmp_path / "name"]


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Draft(tmp_path)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space left"):
        draft.write(b"x")
    assert not list(tmp_path.iterdir())


def test_a_draft_that_has_ended_is_discarded_without_harm(tmp_path: Path) -> None:
    draft = Draft(tmp_path)
    draft.finish(tmp_path / "kept")
    draft.discard()
    assert list(tmp_path.iterdir()) == [tmp_path / "kept"]
