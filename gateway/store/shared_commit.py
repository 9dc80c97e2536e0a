"""A commit that threads share: one thread commits what all of them wait for.

`Ledger.record_received` uses it, so that a burst from many senders costs one write to disk for all instead of
one for each in turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class SharedCommit(Generic[Item, Outcome]):
    """Commits items of any number of threads, together with whatever waits at that moment.

    Parameters
    ----------
    commit
        Commits items in one transaction and returns the outcome of each, in order.
    faults
        Errors that one item causes: after such an error each item is committed alone. Any other error is the
        outcome of all items.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Sequence[Outcome]],
        faults: tuple[type[Exception], ...] = (),
    ) -> None:
        self._commit = commit
        self._faults = faults
        self._turn = Lock()
        self._waiting: deque[tuple[Item, Future[Outcome]]] = deque()

    def __call__(self, item: Item) -> Outcome:
        """Return the outcome of one item, or raise the error of its commit, once the commit has ended."""
        ended: Future[Outcome] = Future()
        self._waiting.append((item, ended))
        with self._turn:
            if not ended.done():
                self._commit_waiting()
        return ended.result()

    def _commit_waiting(self) -> None:
        together = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not self._end(together, self._faults if len(together) > 1 else ()):
            for alone in together:
                self._end([alone])

    def _end(
        self, entries: Sequence[tuple[Item, Future[Outcome]]], faults: tuple[type[Exception], ...] = ()
    ) -> bool:
        """Commit the entries and end them; False, and they go on waiting, after one of the faults."""
        try:
            outcomes = self._commit([item for item, _ in entries])
        except faults:
            return False
        except BaseException as error:
            for _, ended in entries:
                ended.set_exception(error)
        else:
            for (_, ended), outcome in zip(entries, outcomes, strict=True):
                ended.set_result(outcome)
        return True
