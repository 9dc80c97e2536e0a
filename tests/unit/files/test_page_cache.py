"""The page cache of files that are done with."""

from pathlib import Path

from gateway.files.atomic import create_once
from gateway.files.page_cache import leave_page_cache
from tests.support.gateway_process import wait_for
from tests.support.page_cache import is_in_page_cache


def test_a_file_on_disk_leaves_the_page_cache_and_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    create_once(path, [b"content"])
    assert is_in_page_cache(path)
    wait_for(lambda: left(path))  # the system may keep some once
    assert path.read_bytes() == b"content"


def left(path: Path) -> bool:
    leave_page_cache(path)
    return not is_in_page_cache(path)


def test_a_file_that_is_gone_does_no_harm(tmp_path: Path) -> None:
    leave_page_cache(tmp_path / "gone")
