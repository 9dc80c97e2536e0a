"""The sandbox of `POST /predict`: decoder and model in a separate process, one file at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.errors import Reject
from gateway.records import DICOM, Reason
from gateway.sandbox.memory_limit import limit_memory
from gateway.sandbox.process import Lost, Sandbox
from gateway.settings import Settings
from gateway.telemetry.log import open_log

if TYPE_CHECKING:
    from gateway.model.predictor import Predictor
    from gateway.results.result import Result
    from gateway.worker.predict import FilePrediction

ANSWER_SECONDS = 60.0
"""Time limit of one file, in seconds: the largest allowed file takes about five."""


class PredictionSandbox:
    """A sandbox with the model; a crash is due to the file that was being predicted."""

    def __init__(self, settings: Settings) -> None:
        self.process = Sandbox("the model", _open, settings)

    def answer(self, file: Path, *, drawn: bool = False) -> tuple[dict[str, Any], bool]:
        """Return the file's line of `gateway predict`, and whether the prediction failed.

        `drawn` adds `picture` and `map`, as `prediction_drawing` makes them.

        Raises
        ------
        Reject
            POISON: the file crashed the sandbox or exceeded `ANSWER_SECONDS`.
        ConfigurationError
            If the model cannot be opened.
        Retry
            If the process does not start, or no model server answers.
        """
        with _lost_is_poison():
            return self.process.ask(ANSWER_SECONDS, _answer, file, drawn)

    def result(self, file: Path, kind: str) -> Result | str:
        """Return the result of a kind for a DICOM file, or why there is none; raises as `answer`."""
        with _lost_is_poison():
            return self.process.ask(ANSWER_SECONDS, _result, file, kind)

    def close(self) -> None:
        """Kill the sandbox, even during a prediction."""
        self.process.close()


_opened: list[tuple[Predictor, Settings]] = []  # within the sandbox


def _open(settings: Settings) -> None:
    from gateway.worker.inference import open_predictor

    os.nice(10)  # reception and answers come first
    open_log(settings.directory, role="web", rules=settings.log)
    _opened.append((open_predictor(settings), settings))
    limit_memory(settings.select.max_megapixels)


@contextmanager
def _lost_is_poison() -> Iterator[None]:
    try:
        yield
    except Lost:
        raise Reject(Reason.POISON, "The file ended its decoder, or took too long.") from None


def _answer(file: Path, drawn: bool) -> tuple[dict[str, Any], bool]:
    from gateway.web.api import prediction_drawing

    prediction = _predicted(file, drawn=drawn)
    predictor, settings = _opened[0]
    threshold = prediction.threshold if prediction.threshold is not None else predictor.identity.threshold
    line = prediction.line | {"threshold": threshold, "results": []}
    if prediction.may_have_results:
        line["results"] = list(offered(settings))
    if prediction.drawing is not None:
        outlined = settings.results.lung_outline
        line |= prediction_drawing.drawn(prediction.drawing, outlined=outlined)
    return line, prediction.failed


def _result(file: Path, kind: str) -> Result | str:
    prediction = _predicted(file, with_results=True)
    found = next((each for each in prediction.results if each.kind == kind), None)
    return found or prediction.line.get("detail") or "a picture has no header of which results could be made"


def _predicted(file: Path, *, drawn: bool = False, with_results: bool = False) -> FilePrediction:
    from gateway.worker.predict import predict_file

    predictor, settings = _opened[0]
    return predict_file(file, predictor, settings, with_results=with_results, drawn=drawn)


def offered(settings: Settings) -> tuple[str, ...]:
    """Return the kinds of DICOM results that can be had for an uploaded file."""
    from gateway.results.kinds import KINDS
    from gateway.worker.answering import result_rules

    rules = result_rules(settings)
    return tuple(each.kind for each in KINDS if each.media_type == DICOM and each.is_wanted(rules))
