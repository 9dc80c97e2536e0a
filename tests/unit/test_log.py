"""The log: whole lines, and nothing that is told ends by not being written."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gateway.errors import ConfigurationError
from gateway.log import log_event, open_log


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def lines(data_dir: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (data_dir / "log" / "gateway.jsonl").read_text().splitlines()]


def test_an_event_is_one_line_with_its_time(tmp_path: Path) -> None:
    open_log(tmp_path, role="work")
    log_event("inferred", sop_instance_uid="1.2")
    (line,) = lines(tmp_path)
    assert line["time"].endswith("Z")
    assert (line["event"], line["role"], line["sop_instance_uid"]) == ("inferred", "work", "1.2")


def test_text_that_is_not_unicode_is_written(tmp_path: Path) -> None:
    open_log(tmp_path, role="work")
    log_event("refused", reason="\udcff")
    assert lines(tmp_path)[0]["reason"] == "\udcff"


def test_a_full_disk_ends_nothing_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_log(tmp_path, role="work")
    write = os.write
    log_event("first")
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
    log_event("second")
    monkeypatch.setattr(os, "write", lambda *_: os.fstat(-1))  # OSError
    log_event("third")
    monkeypatch.undo()
    log_event("fourth")
    assert [line["event"] for line in lines(tmp_path)] == ["first", "fourth"]


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file stands in the way")
    with pytest.raises(ConfigurationError, match=r"gateway\.jsonl"):
        open_log(tmp_path, role="work")
