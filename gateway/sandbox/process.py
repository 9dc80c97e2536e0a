"""Runs work in a separate process; a crash or hang of the work ends only that process.

The process has one piece of work in hand, so that the guilty one is known at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar, cast

from gateway.errors import GatewayError, Retry
from gateway.sandbox.child import Child, request_for

Value = TypeVar("Value")

START_SECONDS = 120.0
"""The longest that a process may take to begin: a model on a busy machine takes half a minute."""


class Lost(Exception):  # noqa: N818 - the fate of the work
    """The process ended, was killed for exceeding its time, or gave no readable answer, during this work."""


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
        self, purpose: str, begin: Callable[..., None], *arguments: Any, hatched: Child | None = None
    ) -> None:
        self.pid = 0
        self._purpose, self._begin, self._arguments = purpose, begin, arguments
        self._hatched = hatched
        self._child: Child | None = None
        self._is_closed = False
        self._turn = threading.Lock()

    def ask(self, seconds: float, work: Callable[..., Value], *arguments: Any) -> Value:
        """Return `work(*arguments)`, computed in the process; threads take turns.

        Raises
        ------
        Lost
            The process ended, exceeded `seconds` and was killed, or answered what cannot be read.
        GatewayError
            An error of `begin`; Retry where the process does not start, cannot be reached, or is closed.
        """
        request = request_for(work, *arguments)
        with self._turn, self._ended_by_faults():
            child = self._given(request, seconds)
            try:
                value, error = child.receive(seconds)
            except (ConnectionError, TimeoutError):
                raise Lost from None
        if error:
            raise error
        return cast(Value, value)

    def close(self) -> None:
        """Kill the process for good, even during work: who waits for it, or asks later, is told Retry."""
        self._is_closed = True
        self._end()

    def _end(self) -> None:
        children = self._hatched, self._child
        self._hatched = self._child = None
        for child in filter(None, children):
            child.end()

    def _given(self, request: bytes, seconds: float) -> Child:
        """Give work to the process, to a new one where it does not take it: so far nothing is to blame."""
        if child := self._child:
            with suppress(OSError):
                child.send(request, seconds)
                return child
            child.end()
        child = self._started()
        child.send(request, seconds)
        return child

    def _started(self) -> Child:
        self._refuse_if_closed()
        hatched, self._hatched = self._hatched, None
        if hatched:
            with suppress(OSError, Retry):  # it has ended while nobody needed it
                return self._begun(hatched)
            hatched.end()
        return self._begun(Child())

    def _begun(self, child: Child) -> Child:
        self._child = child
        self._refuse_if_closed()  # `close` did not see this child
        child.send(request_for(self._begin, *self._arguments), START_SECONDS)
        _, error = child.receive(START_SECONDS)
        if error:
            raise error
        self.pid = child.pid
        return child

    @contextmanager
    def _ended_by_faults(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._end()
            if not isinstance(error, Exception):
                raise
            self._refuse_if_closed()
            if isinstance(error, (GatewayError, Lost)):
                raise
            raise Retry(f"the process for {self._purpose} cannot be used now: {error!r}") from error

    def _refuse_if_closed(self) -> None:
        if self._is_closed:
            raise Retry(f"the process for {self._purpose} is closed")
