"""The model that `/predict` asks, in a process of its own: a file that ends a decoder ends nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import Reject
from gateway.records import Reason
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Lost, SpareProcess
from gateway.settings import Settings
from gateway.telemetry.log import open_log

if TYPE_CHECKING:
    from gateway.model.predictor import Predictor

ANSWER_SECONDS = 60.0
"""The longest that one file may take: the largest allowed takes about five."""


class Oracle:
    """One spare process with the model, started when it is first asked and again when a file has ended it.

    It is asked for one file at a time: what ends the process is then that file's doing.
    """

    def __init__(self, settings: Settings) -> None:
        self.process = SpareProcess("the model", _open, settings)

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
        try:
            return self.process.ask(ANSWER_SECONDS, _answer, file)
        except Lost:
            raise Reject(Reason.POISON, "The file ended its decoder, or took too long.") from None

    def close(self) -> None:
        """End the process, whatever it is at."""
        self.process.close()


_opened: list[tuple[Predictor, Settings]] = []  # of the spare process


def _open(settings: Settings) -> None:
    from gateway.worker.pipeline import open_predictor

    os.nice(10)  # reception and answers come first
    open_log(settings.directory, role="web", rules=settings.log)
    _opened.append((open_predictor(settings), settings))
    limit_memory(settings.select.max_megapixels)


def _answer(file: Path) -> tuple[dict[str, Any], bool]:
    from gateway.worker.predict import predict_file

    predictor, settings = _opened[0]
    try:
        prediction = predict_file(file, predictor, settings)
    except Exception as error:  # not every exception survives the way to the server
        raise RuntimeError(repr(error)) from error
    return prediction.line | {"threshold": predictor.identity.threshold}, prediction.failed
