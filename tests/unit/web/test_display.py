"""A decoder that hangs, or ends its process, is ended itself, and keeps nobody else waiting."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import Retry
from gateway.records import Reason
from gateway.store.pictures import Kind, Pictures
from gateway.store.spool import Spool
from gateway.web.viewer import display
from gateway.web.viewer.display import Display
from tests.support.sources import dx, encoded


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """Return a file that is never read to its end."""
    path = tmp_path / "hanging.dcm"
    os.mkfifo(path)
    return path


def opened(tmp_path: Path) -> Display:
    return Display(Pictures(tmp_path / "pictures", 1 << 20), Spool(tmp_path / "spool"))


def test_a_hung_decoder_ends_with_the_display(tmp_path: Path, hanging: Path) -> None:
    shown = opened(tmp_path)
    with ThreadPoolExecutor(1) as asking:
        picture = asking.submit(asyncio.run, shown.picture(hanging, Kind.PIXELS))  # type: ignore[arg-type]
        writer = os.open(hanging, os.O_WRONLY)  # once the decoder has it in hand
        process = shown.process.pid
        shown.close()
        with pytest.raises(Retry, match="closed"):
            picture.result()
    os.close(writer)
    assert not Path(f"/proc/{process}/exe").exists()


def test_no_more_than_a_few_wait(tmp_path: Path, hanging: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "MOST_WAITING", 2)
    monkeypatch.setattr(display, "WAIT_SECONDS", 1.0)
    shown = opened(tmp_path)

    async def ask() -> list[Path | BaseException | None]:
        asked = (shown.picture(hanging, Kind.THUMBNAIL) for _ in range(5))
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask())
    shown.close()
    assert sorted(map(type, answers), key=str) == [type(None)] * 2 + [Retry] * 3


def test_what_cannot_be_decoded_is_tried_once(tmp_path: Path) -> None:
    source = tmp_path / "source.dcm"
    source.write_bytes(encoded(dx(PixelData=b"\0\0")))
    shown = opened(tmp_path)
    assert asyncio.run(shown.picture(source, Kind.THUMBNAIL)) is None
    assert shown.rejected(source) is Reason.UNDECODABLE
    shown.close()
    assert asyncio.run(shown.picture(source, Kind.THUMBNAIL)) is None
