"""Runs work in a separate process; a crash or hang of the work ends only that process.

A caller that submits one piece of work at a time knows the guilty one at once.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, TypeVar

from gateway.command_name import show_command
from gateway.errors import GatewayError, Retry

Value = TypeVar("Value")


class Lost(Exception):  # noqa: N818 - the fate of the work
    """The process ended, or was killed for exceeding its time, during this work."""


class Sandbox:
    """One process, started at the first use, and again after its end.

    Parameters
    ----------
    purpose
        Completes "the process for …" in errors.
    begin
        Called with `arguments` in each new process, before any work.
    hatched
        The first process, from `hatch`; None: it is started at the first use, too.
    """

    def __init__(
        self,
        purpose: str,
        begin: Callable[..., None],
        *arguments: Any,
        hatched: ProcessPoolExecutor | None = None,
    ) -> None:
        self.pid = 0
        self._purpose, self._begin, self._arguments = purpose, begin, arguments
        self._hatched = hatched
        self._pool: ProcessPoolExecutor | None = None

    def ask(self, seconds: float, work: Callable[..., Value], *arguments: Any) -> Value:
        """Return `work(*arguments)`, computed in the process.

        Raises
        ------
        Lost
            The process ended, or exceeded `seconds` and was killed.
        GatewayError
            An error of `begin`; Retry where the process does not start for another reason.
        """
        future = self._submitted(work, *arguments)
        try:
            return future.result(seconds)
        except (BrokenProcessPool, TimeoutError):
            self.close()
            raise Lost from None

    def close(self) -> None:
        """Kill the process, even during work."""
        hatched, self._hatched = self._hatched, None
        if hatched:
            hatched.shutdown(wait=False, cancel_futures=True)
        pool, self._pool = self._pool, None
        if pool:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self.pid, signal.SIGKILL)
            pool.shutdown(cancel_futures=True)  # releases its pipes and threads

    def _submitted(self, work: Callable[..., Value], *arguments: Any) -> Future[Value]:
        if self._pool:
            with suppress(BrokenProcessPool):  # the process ended between two pieces of work
                return self._pool.submit(work, *arguments)
        self._pool = self._started()
        return self._pool.submit(work, *arguments)

    def _started(self) -> ProcessPoolExecutor:
        hatched, self._hatched = self._hatched, None
        if hatched:
            with suppress(Retry):  # it has ended while nobody needed it
                return self._begun(hatched)
        return self._begun(_new_process())

    def _begun(self, pool: ProcessPoolExecutor) -> ProcessPoolExecutor:
        try:
            self.pid = pool.submit(os.getpid).result()
            pool.submit(self._begin, *self._arguments).result()
        except Exception as error:
            pool.shutdown(wait=False)
            if isinstance(error, GatewayError):
                raise
            raise Retry(f"the process for {self._purpose} does not start: {error!r}") from error
        return pool


def hatch(module: str) -> ProcessPoolExecutor:
    """Start a process that imports a module beside what the caller does next, for `Sandbox(hatched=…)`.

    It is a fork of a caller that has imported the module and has no thread yet.
    """
    is_ready = module in sys.modules and threading.active_count() == 1
    pool = _new_process("fork" if is_ready else "spawn")
    pool.submit(_know, module)
    return pool


def _know(module: str) -> None:
    gc.disable()  # imports leave no garbage
    importlib.import_module(module)
    gc.enable()


def _new_process(method: str = "spawn") -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context(method), initializer=_leave_signals_to_owner)


def _leave_signals_to_owner() -> None:
    """Ignore signals to the process group, and end with the owner."""
    show_command(["sandbox"])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_owner, daemon=True).start()


def _end_with_owner() -> None:
    owner = multiprocessing.parent_process()
    if owner:
        owner.join()
        os._exit(1)
