"""The results of a file without a gateway and without a model."""

from __future__ import annotations

from pathlib import Path

from gateway.errors import Reject
from gateway.imaging.eligibility import EligibilityRules
from gateway.results.kinds import build_results
from gateway.results.result import AnsweredImage, Result, ResultRules
from gateway.results.source_header import source_header
from gateway.worker.ends import End
from gateway.worker.image import prepare
from gateway.worker.source_file import read_source
from tests.support.answers import answer


def results_of(file: Path) -> list[Result]:
    """Take a file through every stage but the model, whose answer is made up.

    Raises
    ------
    Reject
        If the image has no answer, eligible or not.
    """
    prepared = prepare(read_source(file), EligibilityRules())
    if isinstance(prepared, End):
        raise Reject(prepared.reason, prepared.detail)
    image = AnsweredImage(source_header(prepared.source), prepared.grey, answer())
    return list(build_results(image, ResultRules()))
