"""A question to a folder that cannot even be put is put again later."""

from pathlib import Path
from threading import Thread

import pytest

from gateway.errors import Retry
from gateway.files.answering import Answering


def no_thread(_: Thread) -> None:
    """Be the system at its limit of threads."""
    raise RuntimeError("can't start new thread")


def test_where_no_thread_can_be_started_the_folder_is_asked_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Answering(tmp_path)
    with monkeypatch.context() as at_its_limit:
        at_its_limit.setattr(Thread, "start", no_thread)
        with pytest.raises(Retry, match="can't start new thread"):
            folder.check()
    folder.check()
    assert folder.has_just_answered()
