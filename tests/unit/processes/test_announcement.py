"""A role says that it serves only while nobody has asked it to end."""

import os
import signal
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from gateway.processes.lifetime import Lifetime
from tests.support.gateway_process import PATIENCE_SECONDS

HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.fixture
def lifetime(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lifetime]:
    monkeypatch.setattr(Lifetime, "_beat", lambda _: None)
    before = {number: signal.getsignal(number) for number in HEEDED}
    yield Lifetime(supervised=False)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_role_that_serves_says_so_once(lifetime: Lifetime) -> None:
    with capture_logs() as log:
        lifetime.announce(port=104)
    assert [(entry["event"], entry["port"]) for entry in log] == [("ready", 104)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_role_that_was_asked_to_end_does_not_say_that_it_serves(
    lifetime: Lifetime, number: signal.Signals
) -> None:
    os.kill(os.getpid(), number)
    assert lifetime.ending.wait(PATIENCE_SECONDS)
    with capture_logs() as log:
        lifetime.announce(port=104)
    assert log == []
    lifetime.wait()
