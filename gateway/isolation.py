"""Answers suspect images in a process of its own, so that only what ends that process is blamed.

A worker that was killed proves nothing about the images it had in hand; a process that ends by itself
while it has a single image in hand does.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from gateway.errors import Retry
from gateway.log import open_log
from gateway.pipeline import Pipeline, Settled, open_pipeline
from gateway.settings import Settings
from gateway.store.entries import StoredInstance

ANSWER_SECONDS = 60.0
"""The longest that one image may take: the largest allowed takes about five."""


class Isolation:
    """One spare process, started when it is first needed and again when an image has ended it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: ProcessPoolExecutor | None = None
        self._process = 0
        self._one_at_a_time = threading.Lock()

    def answer(self, instance: StoredInstance) -> Settled | None:
        """Return what became of the image, or None if it ended the process or did not end in time.

        Raises
        ------
        Retry
            If the image's files cannot be read or written now, or the process cannot be started.
        """
        with self._one_at_a_time:
            self._pool = self._serving_pool()
            try:
                settled = self._pool.submit(_answer, instance).result(ANSWER_SECONDS)
            except TimeoutError:
                os.kill(self._process, signal.SIGKILL)
                return None
            except BrokenProcessPool:
                return None
        if not settled:
            raise Retry("the files of this image cannot be read or written now")
        return settled[0]

    def _serving_pool(self) -> ProcessPoolExecutor:
        """Return the process that runs, or a new one: no image is blamed for one that does not start."""
        if self._pool and _process_of(self._pool):
            return self._pool
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=(self._settings,))
        self._process = _process_of(pool)
        if not self._process:
            raise Retry("the process for suspect images does not start; its own lines above say why")
        return pool


def _process_of(pool: ProcessPoolExecutor) -> int:
    """Return the ID of the pool's process, 0 if it does not serve."""
    try:
        return pool.submit(os.getpid).result()
    except BrokenProcessPool:
        return 0


_pipelines: list[Pipeline] = []  # of the spare process


def _prepare(settings: Settings) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):  # sent to the whole group: the worker decides
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with_worker, daemon=True).start()
    open_log(settings.data_dir, role="work", rules=settings.log)
    _pipelines.append(open_pipeline(settings))


def _answer(instance: StoredInstance) -> list[Settled]:
    return _pipelines[0].answer([instance])


def _end_with_worker() -> None:
    worker = multiprocessing.parent_process()
    if worker:
        worker.join()
        os._exit(1)
