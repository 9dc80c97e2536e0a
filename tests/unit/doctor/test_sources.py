"""What the doctor says of sources: here, there, in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.doctor.finding import Severity
from gateway.doctor.sources import sources
from gateway.settings import Settings
from tests.support.sources import dx
from tests.wire.archive import Archive, archive_of


def found(tmp_path: Path, source: dict[str, Any], **settings: Any) -> list[tuple[str, str, str]]:
    findings = sources(Settings(data_dir=tmp_path, sources=[source], **settings))
    return [(each.verdict, each.told, each.advice) for each in findings]


@pytest.fixture(scope="module")
def archive() -> Iterator[Archive]:
    with archive_of([dx()]) as running:
        yield running


def test_a_source_that_answers_is_good_and_nothing_is_fetched(tmp_path: Path, archive: Archive) -> None:
    told = [(verdict, text) for verdict, text, _ in found(tmp_path, archive.source())]
    assert told == [
        (Severity.GOOD, "answers a search"),
        (Severity.GOOD, "takes requests to send by C-GET"),
    ]
    assert list(tmp_path.iterdir()) == []


def test_a_pacs_that_does_not_know_our_title_as_destination_is_told(tmp_path: Path, archive: Archive) -> None:
    _, (verdict, told, advice) = found(tmp_path, archive.source(retrieve="move"))
    assert verdict is Severity.WRONG
    assert "0xA801" in told
    assert advice == (
        "there: make CXR_GATEWAY known as a destination, with this machine's address and port 11112;"
        " here: scp.ae_title, or retrieve: get"
    )


def test_a_title_that_is_not_the_archives_is_told(tmp_path: Path, archive: Archive) -> None:
    ((verdict, _, advice),) = found(tmp_path, archive.source(ae_title="OTHER"))
    assert (verdict, advice) == (Severity.WRONG, "here: ae_title of this source; there: what it calls itself")


def test_an_archive_that_is_away_is_told(tmp_path: Path, archive: Archive) -> None:
    ((verdict, told, advice),) = found(tmp_path, archive.source(port=1))
    assert verdict is Severity.WRONG
    assert "nothing answers there" in told
    assert "here: host and port" in advice


def test_a_listener_that_rejects_the_archive_is_told(tmp_path: Path, archive: Archive) -> None:
    archive.move_to = ("127.0.0.1", 1)
    peers = {"peers": [{"ae_title": "MODALITY", "host": "127.0.0.1"}]}
    *_, (verdict, told, advice) = found(tmp_path, archive.source(retrieve="move"), scp=peers)
    archive.move_to = None
    assert (verdict, told) == (Severity.DOUBTFUL, "the listener rejects what it sends by C-MOVE")
    assert "scp.peers" in advice
