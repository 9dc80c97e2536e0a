"""The model that `/predict` asks, in a process of its own: a file that ends a decoder ends nothing else."""

from __future__ import annotations

import multiprocessing
import os
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import ConfigurationError, Reject, Retry
from gateway.log import open_log
from gateway.records import Reason
from gateway.settings import Settings
from gateway.web.rendering import begin

if TYPE_CHECKING:
    from gateway.model.predictor import Predictor

ANSWER_SECONDS = 60.0
"""The longest that one file may take: the largest allowed takes about five."""


class Oracle:
    """One spare process with the model, started when it is first asked and again when a file has ended it.

    It is asked for one file at a time: what ends the process is then that file's doing.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: ProcessPoolExecutor | None = None
        self._process = 0

    def answer(self, file: Path) -> tuple[dict[str, Any], bool]:
        """Return the file's answer as `gateway predict` tells it, and whether none could be given.

        Raises
        ------
        Reject
            If the file ended the process, or did not end in time.
        ConfigurationError
            If the model cannot be opened.
        Retry
            If the process does not start.
        """
        pool = self._serving_pool()
        try:
            return pool.submit(_answer, file).result(ANSWER_SECONDS)
        except (BrokenProcessPool, TimeoutError):
            self.close()
            raise Reject(Reason.POISON, "The file ended its decoder, or took too long.") from None

    def close(self) -> None:
        """End the process, whatever it is at."""
        pool, self._pool = self._pool, None
        if pool:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(self._process, signal.SIGKILL)
            pool.shutdown(wait=False, cancel_futures=True)

    def _serving_pool(self) -> ProcessPoolExecutor:
        """Return the process that runs, or a new one: no file is blamed for one that does not start."""
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            pool = ProcessPoolExecutor(1, context, initializer=_prepare, initargs=(self._settings,))
            try:
                self._process = pool.submit(_open, self._settings).result()
            except BrokenProcessPool:
                raise Retry("the process of the model does not start") from None
            except ConfigurationError:
                pool.shutdown(wait=False)
                raise
            self._pool = pool
        return self._pool


_opened: list[tuple[Predictor, Settings]] = []  # of the spare process


def _prepare(settings: Settings) -> None:
    begin()
    open_log(settings.data_dir, role="web", rules=settings.log)


def _open(settings: Settings) -> int:
    from gateway.pipeline import open_predictor

    _opened.append((open_predictor(settings), settings))
    return os.getpid()


def _answer(file: Path) -> tuple[dict[str, Any], bool]:
    from gateway.predict import predict_file

    predictor, settings = _opened[0]
    try:
        prediction = predict_file(file, predictor, settings)
    except Exception as error:  # not every exception survives the way to the server
        raise RuntimeError(repr(error)) from error
    return prediction.line | {"threshold": predictor.identity.threshold}, prediction.failed
