"""A role whose thread has ended or hangs ends, and says so."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gateway.threads import Vital, failed_vital, release_vital

ROLE = """
import sys, threading
from pathlib import Path
from gateway.files.data_directory import DataDirectory
from gateway.processes import lifetime
from gateway.telemetry.log import open_log
from gateway.threads import Vital
lifetime.HEARTBEAT_SECONDS = 0.01
open_log(DataDirectory(Path(sys.argv[1])), role="work")
Vital(lambda: None, "collect").start()
lifetime.Lifetime(supervised=False).announce()
threading.Event().wait()
"""


def test_a_role_whose_thread_has_ended_ends_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ROLE, str(tmp_path)], capture_output=True, check=False)
    assert done.returncode == 1
    lines = (tmp_path / "log" / "gateway.jsonl").read_text().splitlines()
    (failed,) = [line for line in map(json.loads, lines) if line["event"] == "thread_failed"]
    assert (failed["thread"], failed["problem"]) == ("collect", "has ended")
    assert b"collect" in done.stderr


def test_a_thread_that_does_not_get_on_hangs() -> None:
    end = threading.Event()
    thread = Vital(end.wait, "watch", hangs_seconds=-1)
    thread.start()
    assert "hangs" in failed_vital()["watch"]
    thread.release()
    assert "watch" not in failed_vital()
    end.set()
    thread.join()
    release_vital()


def test_a_thread_that_is_released_as_it_is_looked_at_has_not_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()
    thread = Vital(end.wait, "watch")
    thread.start()
    problem = Vital.problem

    def look_late(looked_at: Vital) -> str | None:
        if looked_at is thread:
            thread.release()
            end.set()
            thread.join()
        return problem(looked_at)

    monkeypatch.setattr(Vital, "problem", look_late)
    assert "watch" not in failed_vital()
    assert not thread.is_alive()
