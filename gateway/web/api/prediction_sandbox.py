"""The sandbox of `POST /predict`: decoder and model in a separate process, one file at a time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import Reject, Retry
from gateway.records import Reason
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Lost, Sandbox
from gateway.settings import Settings
from gateway.telemetry.log import open_log

if TYPE_CHECKING:
    from gateway.model.predictor import Predictor

ANSWER_SECONDS = 60.0
"""Time limit of one file, in seconds: the largest allowed file takes about five."""


class PredictionSandbox:
    """A sandbox with the model; a crash is due to the file that was being predicted."""

    def __init__(self, settings: Settings) -> None:
        self.process = Sandbox("the model", _open, settings)

    def answer(self, file: Path) -> tuple[dict[str, Any], bool]:
        """Return the file's line of `gateway predict`, and whether the prediction failed.

        Raises
        ------
        Reject
            POISON: the file crashed the sandbox or exceeded `ANSWER_SECONDS`.
        ConfigurationError
            If the model cannot be opened.
        Retry
            If the process does not start, or no model server answers.
        """
        try:
            return self.process.ask(ANSWER_SECONDS, _answer, file)
        except Lost:
            raise Reject(Reason.POISON, "The file ended its decoder, or took too long.") from None

    def close(self) -> None:
        """Kill the sandbox, even during a prediction."""
        self.process.close()


_opened: list[tuple[Predictor, Settings]] = []  # within the sandbox


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
    except Retry:
        raise
    except Exception as error:  # not every exception survives the way to the server
        raise RuntimeError(repr(error)) from error
    threshold = prediction.threshold if prediction.threshold is not None else predictor.identity.threshold
    return prediction.line | {"threshold": threshold}, prediction.failed
