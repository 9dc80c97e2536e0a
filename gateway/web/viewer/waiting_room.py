"""Work that is slow or large: few at once, some waiting, and the others come again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, fail_after

from gateway.errors import Retry

MOST_SECONDS = 60.0
"""The longest that a request waits for its turn."""


class WaitingRoom:
    """Lets requests in one after the other; who waits here holds no thread and has nothing in memory.

    Parameters
    ----------
    at_once
        How many are let in.
    waiting
        How many may wait for that.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._in = CapacityLimiter(at_once)
        self._most = waiting
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait to be let in; the place is free again after the block.

        Raises
        ------
        Retry
            If too many wait already, or nobody's turn ends.
        """
        if self._waiting >= self._most and not self._in.available_tokens:
            raise Retry("too many requests of this kind wait already")
        self._waiting += 1
        try:
            with fail_after(MOST_SECONDS):
                await self._in.acquire()
        except TimeoutError:
            raise Retry("requests of this kind are answered too slowly") from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._in.release()
