"""Answers suspect images in a process of its own, so that only what ends that process is blamed.

A worker that was killed proves nothing about the images it had in hand; a process that ends by itself
while it has a single image in hand does.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from gateway.log import open_log
from gateway.pipeline import Pipeline, Settled, open_pipeline
from gateway.settings import Settings
from gateway.store.entries import StoredInstance


class Isolation:
    """One spare process, started when it is first needed and again when an image has ended it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: ProcessPoolExecutor | None = None
        self._one_at_a_time = threading.Lock()

    def answer(self, instance: StoredInstance) -> Settled | None:
        """Return what became of the image, or None if it ended the process.

        Raises
        ------
        Retry
            As `Pipeline.answer` does.
        """
        with self._one_at_a_time:
            pool = self._pool or ProcessPoolExecutor(
                1, multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(self._settings,)
            )
            self._pool = pool
            try:
                return pool.submit(_answer, instance).result()
            except BrokenProcessPool:
                self._pool = None
                return None

    def close(self) -> None:
        """End the process, if there is one."""
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


_pipelines: list[Pipeline] = []  # of the spare process


def _prepare(settings: Settings) -> None:
    threading.Thread(target=_end_with_worker, daemon=True).start()
    open_log(settings.data_dir, role="work")
    _pipelines.append(open_pipeline(settings))


def _answer(instance: StoredInstance) -> Settled:
    (settled,) = _pipelines[0].answer([instance])
    return settled


def _end_with_worker() -> None:
    worker = multiprocessing.parent_process()
    if worker:
        worker.join()
        os._exit(1)
