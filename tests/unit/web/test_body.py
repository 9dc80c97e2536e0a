"""An upload that the system has no descriptor or memory for is for later, and no bug."""

import errno
import mmap
import os
from pathlib import Path

import pytest

from gateway.errors import Retry
from gateway.web import body
from gateway.web.body import Bodies, Body


def too_many(*_: object, **__: object) -> None:
    """Be the system at its limit."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_file_that_cannot_be_opened_now_is_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = Bodies(tmp_path, most_mb=1, min_free_mb=0)
    with monkeypatch.context() as at_its_limit:
        at_its_limit.setattr(body, "TemporaryFile", too_many)
        with pytest.raises(Retry, match="Too many open files"), bodies.file():
            pass
    with bodies.file() as file:
        assert not file.closed


@pytest.mark.parametrize(("module", "call"), [(mmap, "mmap"), (os, "pread")])
def test_a_part_that_cannot_be_read_now_is_for_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: object, call: str
) -> None:
    with Bodies(tmp_path, most_mb=1, min_free_mb=0).file() as file:
        file.write(b"part")
        upload = Body(file)
        with monkeypatch.context() as at_its_limit:
            at_its_limit.setattr(module, call, too_many)
            with pytest.raises(Retry, match="Too many open files"):
                upload.view(0, 4) if call == "mmap" else upload.read(0, 4)
        assert bytes(upload.view(0, 4)) == upload.read(0, 4) == b"part"
