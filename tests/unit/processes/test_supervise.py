"""The supervisor: a role that dies or hangs is started again; one that never could serve ends the gateway."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.errors import ConfigurationError
from gateway.processes import supervise
from gateway.processes.lifetime import heed_signals
from gateway.processes.notify import READY, STOPPING, WATCHDOG
from gateway.processes.supervise import Supervisor
from gateway.settings import SCP, Settings, Web
from gateway.telemetry.role_status import read_role_status
from gateway.threads import release_vital
from tests.support.gateway_process import PATIENCE_SECONDS

ROLE = """
import os, sys, threading
from pathlib import Path
name, fault = sys.argv[1], sys.argv[-1]
begun = Path(sys.argv[-2]) / f"{{name}}-begun"
first = not begun.exists()
with begun.open("a") as pids:
    print(os.getpid(), file=pids)
if fault == "wrong" and name == "work":
    sys.exit(2)
print("ready worker_id=here-1", flush=True)
if fault == "dies" and name == "work" and first:
    sys.exit(7)
silent = fault == "hangs" and name == "work" and first
while not os.environ.get("NEVER"):
    threading.Event().wait(0.05)
    if not silent:
        os.write(1, b"\\n")
"""

HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in HEEDED}
    release_vital()
    yield
    release_vital()
    for number, handler in handlers.items():
        signal.signal(number, handler)
    structlog.reset_defaults()


def supervise_until(folder: Path, fault: str, condition: Callable[[Settings], object]) -> list[str]:
    """Run a supervisor over scripts until it is ready and the condition holds; return the logged events."""
    script = folder / "role.py"
    script.write_text(ROLE.format())
    settings = Settings(data_dir=folder / "var", scp=SCP(port=0), web=Web(enabled=False), shutdown_seconds=30)
    supervisor = Supervisor(settings, [str(folder), fault], [sys.executable, str(script)])
    ended = threading.Event()

    def end() -> None:
        pause = threading.Event()
        for _ in range(round(PATIENCE_SECONDS / 0.05)):
            is_ready = any(line["event"] == "ready" for line in log)
            if ended.is_set() or (is_ready and condition(settings)):
                break
            pause.wait(0.05)
        if not ended.is_set():
            os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end)
    with pytest.MonkeyPatch.context() as patch, capture_logs() as log:
        patch.setattr(supervise, "open_log", lambda *_, **__: None)
        ending.start()
        try:
            supervisor.run()
        finally:
            ended.set()
            ending.join()
    return [line["event"] for line in log]


def statuses(settings: Settings) -> dict[str, str]:
    return {name: role.state for name, role in read_role_status(settings.directory.role_status).items()}


def all_serve(settings: Settings) -> bool:
    return statuses(settings) == {"receive": "serving", "work 0": "serving"}


def pids_of(folder: Path, name: str) -> list[str]:
    """Return the processes in which a role was started, in order."""
    begun = folder / f"{name}-begun"
    return begun.read_text().splitlines() if begun.exists() else []


def is_replaced(folder: Path, settings: Settings) -> bool:
    """Tell whether the worker was started again, and everything serves."""
    return len(pids_of(folder, "work")) > 1 and all_serve(settings)


def test_roles_are_started_watched_and_ended(tmp_path: Path) -> None:
    events = supervise_until(tmp_path, "", all_serve)
    assert events == ["database_made", "ready", "stopped"]
    for name in ("receive", "work"):
        (pid,) = pids_of(tmp_path, name)
        assert not Path(f"/proc/{pid}").exists()


def test_a_role_that_dies_is_started_again(tmp_path: Path) -> None:
    events = supervise_until(tmp_path, "dies", lambda settings: is_replaced(tmp_path, settings))
    assert "role_died" in events
    assert len(pids_of(tmp_path, "work")) == 2


def test_a_role_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "HUNG_SECONDS", 4.0)
    events = supervise_until(tmp_path, "hangs", lambda settings: is_replaced(tmp_path, settings))
    assert "role_hangs" in events
    assert "role_died" in events


def test_a_role_that_can_never_serve_ends_the_gateway(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="a role of the gateway cannot start"):
        supervise_until(tmp_path, "wrong", lambda _: False)


@pytest.mark.parametrize(("seconds", "is_fed"), [(60.0, True), (0.0, False)])
def test_the_watchdog_is_fed_while_the_roles_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, is_fed: bool
) -> None:
    told: list[str] = []
    monkeypatch.setattr(supervise, "notify", told.append)
    monkeypatch.setattr(supervise, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(supervise, "UNANSWERED_SECONDS", seconds)
    supervise_until(tmp_path, "", lambda _: READY in told and (WATCHDOG in told) == is_fed)
    assert told[-1] == STOPPING
    assert told.count(READY) == 1
    assert (WATCHDOG in told) is is_fed


def test_a_watcher_that_has_ended_as_the_gateway_stops_has_not_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops: list[threading.Event] = []

    def heed(stop: threading.Event) -> None:
        stops.append(stop)
        heed_signals(stop)

    def look_as_it_stops() -> dict[str, str]:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stops[0].wait(PATIENCE_SECONDS)
        return {"watch work 0": "has ended"}

    monkeypatch.setattr(supervise, "heed_signals", heed)
    monkeypatch.setattr(supervise, "failed_vital", look_as_it_stops)
    monkeypatch.setattr(supervise, "LOOK_SECONDS", 0.05)
    assert supervise_until(tmp_path, "", lambda _: False)[-1] == "stopped"
