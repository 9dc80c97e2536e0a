"""The log: whole lines, and nothing that is told ends by not being written."""

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from gateway.errors import ConfigurationError
from gateway.files.data_directory import DataDirectory
from gateway.settings import Log
from gateway.telemetry.events import Event
from gateway.telemetry.line_queue import MOST_LINES, LineQueue
from gateway.telemetry.log import log_event, open_log, readable
from gateway.telemetry.log_file import LogFile
from gateway.threads import release_vital
from tests.support.gateway_process import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    logging.getLogger("pydicom").disabled = False


def lines(data_dir: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (data_dir / "log" / "gateway.jsonl").read_text().splitlines()]


def test_an_event_is_one_line_with_its_time(tmp_path: Path) -> None:
    open_log(DataDirectory(tmp_path), role="work")
    log_event(Event.INFERRED, sop_instance_uid="1.2")
    (line,) = lines(tmp_path)
    assert line["time"].endswith("Z")
    assert (line["event"], line["role"], line["sop_instance_uid"]) == ("inferred", "work", "1.2")


def test_text_that_is_not_unicode_is_written(tmp_path: Path) -> None:
    open_log(DataDirectory(tmp_path), role="work")
    log_event(Event.REFUSED, reason="\udcff")
    assert lines(tmp_path)[0]["reason"] == "\udcff"


def test_a_full_disk_ends_nothing_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_log(DataDirectory(tmp_path), role="work")
    write = os.write
    log_event(Event.STARTED)
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:10]))
    log_event(Event.READY)
    monkeypatch.setattr(os, "write", lambda *_: os.fstat(-1))  # OSError
    log_event(Event.WAITING)
    monkeypatch.undo()
    log_event(Event.STOPPED)
    assert [line["event"] for line in lines(tmp_path)] == ["started", "stopped"]


def test_a_log_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file stands in the way")
    with pytest.raises(ConfigurationError, match=r"gateway\.jsonl"):
        open_log(DataDirectory(tmp_path), role="work")


def test_a_full_file_makes_room_and_old_ones_go(tmp_path: Path) -> None:
    open_log(DataDirectory(tmp_path), role="work", rules=Log(file_mb=0.001, keep_files=2))
    for number in range(100):
        log_event(Event.INFERRED, number=number)
    kept = [*sorted((tmp_path / "log").glob("gateway-*.jsonl")), tmp_path / "log" / "gateway.jsonl"]
    assert len(kept) == 3
    numbers = [json.loads(line)["number"] for file in kept for line in file.read_text().splitlines()]
    assert numbers == list(range(numbers[0], 100))
    assert all(file.stat().st_size < 1400 for file in kept)


def test_a_file_is_a_day_old_at_most(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "gateway.jsonl").write_text('{"time": "2026-01-01T00:00:00.000Z"}\n')
    open_log(DataDirectory(tmp_path), role="work")
    log_event(Event.STARTED)
    log_event(Event.READY)
    assert [line["event"] for line in lines(tmp_path)] == ["ready"]
    (rotated,) = (tmp_path / "log").glob("gateway-*.jsonl")
    os.utime(rotated, (0, 0))
    begun = LogFile(tmp_path / "log" / "gateway.jsonl", Log(file_mb=0.000001, keep_days=90))
    begun.append(b"third\n")
    begun.close()
    assert not rotated.exists()


def test_a_file_that_was_moved_away_is_not_written_any_more(tmp_path: Path) -> None:
    open_log(DataDirectory(tmp_path), role="work")
    log_event(Event.STARTED)
    (tmp_path / "log" / "gateway.jsonl").rename(tmp_path / "log" / "moved")  # as logrotate does
    log_event(Event.READY)
    assert [line["event"] for line in lines(tmp_path)] == ["ready"]


TALKER = """
import sys
from pathlib import Path
from gateway.files.data_directory import DataDirectory
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event, open_log
open_log(DataDirectory(Path(sys.argv[1])), role="receive")
for number in range(30_000):
    sys.stderr.write("x" * 150 + chr(10))
log_event(Event.STOPPED)
"""


def test_a_pipe_that_nobody_reads_stops_nobody(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-c", TALKER, str(tmp_path)]
    talker = subprocess.Popen(command, stderr=writing)
    os.close(writing)
    assert talker.wait(PATIENCE_SECONDS) == 0
    os.close(reading)
    assert [line["event"] for line in lines(tmp_path)] == ["stopped"]


def test_lines_that_wait_for_a_disk_that_hangs_come_when_it_is_back() -> None:
    go_on, written = threading.Event(), []

    def write(line: bytes) -> None:
        go_on.wait(PATIENCE_SECONDS)
        written.append(line)

    queue = LineQueue(write, lambda count: b"%d are missing" % count, "slow")
    for number in range(MOST_LINES + 5):
        queue.put(b"%d" % number, wait_seconds=0.01)  # the first waits, the others know better
    go_on.set()
    queue.flush(PATIENCE_SECONDS)
    release_vital()
    assert [line for line in written if b"missing" not in line] == [
        b"%d" % n for n in range(len(written) - 1)
    ]
    (told,) = [line for line in written if b"missing" in line]
    assert int(told.split()[0]) + len(written) - 1 == MOST_LINES + 5


def test_a_line_on_a_terminal_is_short_and_obeyed_by_none() -> None:
    fields = {"sop_instance_uid": "1.2.3", "score": 0.123456, "reason": "a\x1b[31m\nforged" + 300 * "x"}
    line = readable("inferred", "work", fields)
    assert len(line) <= 161
    assert "0.123 " in line
    assert line.endswith("\n")
    assert "\x1b" not in line
    assert line.count("\n") == 1


WRITER = """
import sys
from pathlib import Path
from gateway.files.data_directory import DataDirectory
from gateway.telemetry.events import Event
from gateway.telemetry.log import log_event, open_log
from gateway.settings import Log
open_log(DataDirectory(Path(sys.argv[1])), role=sys.argv[2], rules=Log(file_mb=0.01, keep_files=1000))
for number in range(1000):
    log_event(Event.INFERRED, number=number)
"""


def test_several_processes_rotate_one_log_and_lose_no_line(tmp_path: Path) -> None:
    commands = [[sys.executable, "-c", WRITER, str(tmp_path), role] for role in ("one", "two", "three")]
    writers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
    assert [writer.wait(PATIENCE_SECONDS) for writer in writers] == [0, 0, 0]
    files = list((tmp_path / "log").iterdir())
    assert len(files) > 10
    found = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    for role in ("one", "two", "three"):
        assert sorted(line["number"] for line in found if line["role"] == role) == list(range(1000))
