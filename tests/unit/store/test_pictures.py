"""Pictures stay within their bound, and only as long as what they show."""

import os
from pathlib import Path

import pytest

from gateway.store.pictures import Kind, Pictures

BYTES = 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


def source_in(folder: Path, number: int) -> Path:
    source = folder / f"{number}.dcm"
    source.touch()
    return source


def kept(pictures: Pictures, source: Path, seen_at: float) -> Path:
    path = pictures.keep(source, Kind.THUMBNAIL, bytes(BYTES))
    assert path
    os.utime(path, (seen_at, seen_at))
    return path


def test_what_was_not_looked_at_for_longest_goes_first(folder: Path, tmp_path: Path) -> None:
    pictures = Pictures(folder, 5 * BYTES)
    for number in range(6):
        kept(pictures, source_in(tmp_path, number), seen_at=number)
    found = [pictures.find(tmp_path / f"{number}.dcm", Kind.THUMBNAIL) for number in range(6)]
    assert [each is not None for each in found] == [False, False, True, True, True, True]


def test_what_an_earlier_process_left_counts(folder: Path, tmp_path: Path) -> None:
    source = source_in(tmp_path, 1)
    kept(Pictures(folder, 5 * BYTES), source, seen_at=1)
    Pictures(folder, BYTES - 1).make_room()
    assert list(folder.iterdir()) == []


def test_pictures_of_an_earlier_version_go(folder: Path, tmp_path: Path) -> None:
    pictures, source = Pictures(folder, 5 * BYTES), source_in(tmp_path, 1)
    kept(pictures, source, seen_at=1)
    (folder / "0.u16").write_bytes(b"grey values that nothing would ever delete")
    pictures.make_room()
    assert [path.suffix for path in folder.iterdir()] == [".jpg"]


def test_a_picture_without_its_source_is_none(folder: Path, tmp_path: Path) -> None:
    pictures, source = Pictures(folder, 5 * BYTES), source_in(tmp_path, 1)
    kept(pictures, source, seen_at=1)
    source.unlink()
    assert pictures.find(source, Kind.THUMBNAIL) is None
    assert pictures.keep(source, Kind.PIXELS, bytes(BYTES)) is None
    assert [path.suffix for path in folder.iterdir()] == [".jpg"]
