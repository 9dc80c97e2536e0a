"""Receiving where threads cannot be had: their connections are closed; a loop that hangs is missed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import threads
from gateway.dicom.statuses import Status
from gateway.receive import storage_scp
from gateway.threads import failed_vital
from tests.support.gateway_process import PATIENCE_SECONDS, wait_for
from tests.support.receiving import Receiver, receiving
from tests.wire import pdus
from tests.wire.answered import rq
from tests.wire.requestor import Requestor

THREADS_OF_A_CONNECTION = ["Thread", "Acceptor", "Provider"]


def assert_answers(receiver: Receiver) -> None:
    with Requestor(receiver.address) as peer:
        peer.say(rq())
        assert str(peer.hear()) == "accepted"
        answer = peer.ask(1, pdus.c_echo_rq())
        assert answer is not None
        assert answer.status == Status.SUCCESS
        assert str(peer.release()) == "released"


class Late:
    """The start of threads, of which those of one class do not begin before they are let."""

    def __init__(self, kind: str) -> None:
        self._start = threading._start_new_thread  # type: ignore[attr-defined]
        self._kind = kind
        self._held: list[Callable[[], object]] = []

    def __call__(self, begin: Any, arguments: tuple[Any, ...]) -> int:
        if type(begin.__self__).__name__ != self._kind:
            return int(self._start(begin, arguments))
        self._held.append(begin)
        return 0

    def let(self) -> int:
        """Let them begin, and return their number."""
        for begin in self._held:
            self._start(begin, ())
        return len(self._held)


@pytest.mark.parametrize("kind", THREADS_OF_A_CONNECTION)
def test_a_thread_that_does_not_begin_costs_its_connection_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    late = Late(kind)
    with receiving(tmp_path, max_associations=1) as receiver:
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(threads, "START_SECONDS", 0.05)
            meanwhile.setattr(threading, "_start_new_thread", late)
            for _ in range(4):
                with Requestor(receiver.address) as peer:
                    assert peer.hear() is None
        assert_answers(receiver)
        assert late.let() == 4
        assert_answers(receiver)
        assert not receiver.events("bug")
        assert "begin" in receiver.events("association_rejected")[0]["why"]


def test_a_loop_that_accepts_no_more_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(storage_scp, "ACCEPTING_HANGS_SECONDS", 1.0)
    with receiving(tmp_path) as receiver:
        listener = receiver.scp._listener
        assert listener is not None
        listener.is_next = lambda: goes_on.wait(PATIENCE_SECONDS)
        with Requestor(receiver.address):
            wait_for(lambda: "hangs" in failed_vital().get("StorageSCP", ""))
            goes_on.set()
        wait_for(lambda: "StorageSCP" not in failed_vital())
        assert_answers(receiver)
