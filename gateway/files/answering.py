"""Notices a folder whose file system does not answer: a mount whose server is away, a disk that hangs.

A call on such a folder does not return, and its thread is lost until the server is back. The folder is
therefore asked first, in a thread that may be lost, before a thread of the gateway calls it. The question is
a change that is synced: reading alone is answered from memory while the disk hangs.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from time import monotonic
from typing import TypeVar

from gateway.errors import Retry
from gateway.files.folders import sync_folder

Answer = TypeVar("Answer")

HANGS = "does not answer: its disk, or the server of its mount, is away or overloaded"

ANSWER_SECONDS = 10.0
"""Seconds that a file system has for an answer; a sender that waits 30 s, as is usual, still hears of it."""

FRESH_SECONDS = 1.0
"""Seconds for which an answer counts: it costs a thread."""


class Answering:
    """Asks a folder whether it answers; one such question is under way at most, however many threads wait.

    Parameters
    ----------
    root
        The folder; that it is not there is an answer, too.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = Lock()
        self._answered_at = float("-inf")
        self._free: int | None = None
        self._question: tuple[float, Future[None]] | None = None

    def __reduce__(self) -> tuple[type[Answering], tuple[Path]]:
        """Let a sandbox have one of its own."""
        return Answering, (self._root,)

    def check(self) -> None:
        """Return once the folder answers, or has answered a moment ago.

        Raises
        ------
        Retry
            If it does not answer in time; at once where it has not for so long.
        """
        with self._lock:
            if self.has_just_answered():
                return
            asked_at, answer = self._asked()
        self._wait(answer, max(0.0, asked_at + ANSWER_SECONDS - monotonic()))

    def has_just_answered(self) -> bool:
        """Tell at once whether `check` would return at once."""
        return monotonic() - self._answered_at < FRESH_SECONDS

    def is_hanging(self) -> bool:
        """Tell at once whether the folder has not answered in time; it is asked where it has not been."""
        with self._lock:
            if self.has_just_answered():
                return False
            asked_at, _ = self._asked()
            return monotonic() - asked_at > ANSWER_SECONDS

    def free_bytes(self) -> int:
        """Return the free space of the file system, as of `FRESH_SECONDS` ago at most.

        Raises
        ------
        Retry
            As `check`.
        OSError
            As the disk has it.
        """
        self.check()
        return self._free if self._free is not None else shutil.disk_usage(self._root).free

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the answer to a question about the folder, which has answered until a moment ago.

        Raises
        ------
        Retry
            If it does not answer in time.
        """
        self.check()
        return self._wait(self._put(question), ANSWER_SECONDS)

    def _asked(self) -> tuple[float, Future[None]]:
        """Return the question that is under way, and when it was put; the caller holds the lock."""
        self._question = self._question or (monotonic(), self._put(self._look))
        return self._question

    def _put(self, question: Callable[[], Answer]) -> Future[Answer]:
        """Put a question to the folder, in a thread that may be lost; `Retry` where none can be started."""
        answer: Future[Answer] = Future()
        try:
            Thread(target=_answer, args=(answer, question), name=f"ask {self._root}", daemon=True).start()
        except RuntimeError as error:
            raise Retry(f"{self._root} cannot be asked: {error}") from error
        return answer

    def _wait(self, answer: Future[Answer], seconds: float) -> Answer:
        try:
            return answer.result(seconds)
        except TimeoutError:
            raise Retry(f"{self._root} {HANGS}") from None

    def _look(self) -> None:
        free = None
        with suppress(OSError):  # such as "read-only": an answer
            free = shutil.disk_usage(self._root).free
            os.utime(self._root)
            sync_folder(self._root)
        with self._lock:
            self._free = free
            self._answered_at = monotonic()
            self._question = None


def _answer(answer: Future[Answer], question: Callable[[], Answer]) -> None:
    try:
        answer.set_result(question())
    except BaseException as error:
        answer.set_exception(error)
