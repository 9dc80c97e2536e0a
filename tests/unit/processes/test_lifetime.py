"""A role's process: it tells its supervisor that it lives, and ends with it."""

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.gateway_process import PATIENCE_SECONDS

ROLE = """
from gateway.processes import lifetime
lifetime.HEARTBEAT_SECONDS = 0.01
lifetime.log_event = lambda *_, **__: None
life = lifetime.Lifetime(supervised=True)
life.announce(port=4242)
life.wait()
print("drained", flush=True)
"""


@pytest.fixture
def role() -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", ROLE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_a_role_tells_that_it_serves_and_then_that_it_lives(role: subprocess.Popen[str]) -> None:
    assert role.stdout
    assert role.stdout.readline() == "ready port=4242\n"
    assert role.stdout.readline() == "\n"


def test_a_role_drains_when_it_is_told_to_end(role: subprocess.Popen[str]) -> None:
    assert role.stdout
    role.stdout.readline()
    role.send_signal(signal.SIGTERM)
    assert role.stdout.read().strip() == "drained"
    assert role.wait() == 0


HEARS_ELSEWHERE = """
import signal, sys, threading, time
from gateway.processes import lifetime
life = lifetime.Lifetime(supervised=False)

def hear():
    main, waits = threading.main_thread().ident, 0
    while waits < 100:
        waits += sys._current_frames()[main].f_code is threading.Condition.wait.__code__
        time.sleep(0.001)
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

threading.Thread(target=hear, daemon=True).start()
life.wait()
print("drained", flush=True)
"""


HEARS_BEFORE_IT_WAITS = """
import signal
from gateway.processes import lifetime
life = lifetime.Lifetime(supervised=False)
with life.ending._cond:  # as `wait` holds it on its way
    signal.raise_signal(signal.SIGTERM)
life.wait()
print("drained", flush=True)
"""


@pytest.mark.parametrize("role", [HEARS_ELSEWHERE, HEARS_BEFORE_IT_WAITS], ids=["elsewhere", "on its way"])
def test_a_signal_ends_the_role_wherever_it_comes(role: str) -> None:
    command = [sys.executable, "-c", role]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert (done.stdout, done.returncode) == ("drained\n", 0), done.stderr


def test_a_role_ends_with_its_supervisor(role: subprocess.Popen[str]) -> None:
    assert role.stdin
    assert role.stdout
    role.stdout.readline()
    role.stdin.close()
    assert role.wait() == 1
