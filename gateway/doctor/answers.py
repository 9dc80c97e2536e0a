"""Checks whether the first answers are plausible for this site."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.doctor.finding import Finding, doubtful, good
from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.store.opening import look_into_database


def answers(settings: Settings) -> Iterator[Finding]:
    """Yield what is implausible about the first answers of the model; nothing while there are too few."""
    from gateway.worker.plausibility import judge_first_answers

    try:
        engine, ledger = look_into_database(settings)
    except GatewayError:  # the check of the database says why
        return
    try:
        judgement = judge_first_answers(settings, ledger)
    except GatewayError:
        return
    finally:
        engine.dispose()
    if judgement is None:
        return
    for doubt in judgement.doubts:
        advice = "here: let a reader look at some; gateway commission fits the model (docs/commissioning.md)"
        yield doubtful("answers", f"implausible: {doubt}", advice)
    if not judgement.doubts:
        yield good("answers", f"the first {judgement.answers} are plausible")
