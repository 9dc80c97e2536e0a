"""Work in a process of its own, so that what ends that process, or hangs it, ends nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, TypeVar

from gateway.errors import GatewayError, Retry

Answer = TypeVar("Answer")


class Lost(Exception):  # noqa: N818 - what became of the work
    """The process ended, or had to be ended, while it had this work in hand."""


class SpareProcess:
    """One process, started when it is first asked, and again when something has ended it.

    Parameters
    ----------
    purpose
        What it is for, as the end of "the process for ...".
    begin
        Called with `arguments` in each new process, before any work.
    """

    def __init__(self, purpose: str, begin: Callable[..., None], *arguments: Any) -> None:
        self.pid = 0
        self._purpose, self._begin, self._arguments = purpose, begin, arguments
        self._pool: ProcessPoolExecutor | None = None

    def ask(self, seconds: float, work: Callable[..., Answer], *arguments: Any) -> Answer:
        """Return `work(*arguments)`; whoever asks for one thing at a time knows what was in hand.

        Raises
        ------
        Lost
            The process ended, or did not answer in `seconds` and was ended.
        GatewayError
            What `begin` has to say; Retry where the process does not start for another reason.
        """
        future = self._submitted(work, *arguments)
        try:
            return future.result(seconds)
        except (BrokenProcessPool, TimeoutError):
            self.close()
            raise Lost from None

    def close(self) -> None:
        """End the process, whatever it is at."""
        pool, self._pool = self._pool, None
        if pool:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self.pid, signal.SIGKILL)
            pool.shutdown(cancel_futures=True)  # what it holds of the system is given back

    def _submitted(self, work: Callable[..., Answer], *arguments: Any) -> Future[Answer]:
        if self._pool:
            with suppress(BrokenProcessPool):  # it has ended with nothing in hand: no work is blamed
                return self._pool.submit(work, *arguments)
        self._pool = self._started()
        return self._pool.submit(work, *arguments)

    def _started(self) -> ProcessPoolExecutor:
        pool = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_stay_until_told)
        try:
            self.pid = pool.submit(os.getpid).result()
            pool.submit(self._begin, *self._arguments).result()
        except Exception as error:
            pool.shutdown(wait=False)
            if isinstance(error, GatewayError):
                raise
            raise Retry(f"the process for {self._purpose} does not start: {error!r}") from error
        return pool


def _stay_until_told() -> None:
    """Leave it to the owner when the process ends: signals are sent to the whole group."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_owner, daemon=True).start()


def _end_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner:
        owner.join()
        os._exit(1)
