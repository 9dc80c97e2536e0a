"""Answers that are no answers, as a spoilt server gives them over either protocol."""

# ruff: noqa: ARG001, ARG005 - what spoils answers has one signature

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from gateway.remote.predictor import RemotePredictor
from tests.unit.remote.remote_model import images, local, outcomes


def changes(**values: Any) -> Any:
    return lambda call, answer, outputs: answer.update(values) or False


def cuts(call: Any, answer: Any, outputs: dict[str, Any]) -> bool:
    outputs.update({name: values[:-1] for name, values in outputs.items()})
    return False


def reshapes(call: Any, answer: Any, outputs: dict[str, Any]) -> bool:
    outputs.update({name: values.reshape(len(values), -1, 1) for name, values in outputs.items()})
    return False


def turns(call: Any, answer: Any, outputs: dict[str, Any]) -> bool:
    """Give the answers to other images of the same request."""
    outputs.update({name: np.roll(values, 1, axis=0) for name, values in outputs.items()})
    return False


def other_model(call: Any, answer: Any, outputs: dict[str, Any]) -> bool:
    outputs.update({name: values + np.float32(0.01) for name, values in outputs.items()})
    return False


def lies_once_proven(server: Any, predictor: RemotePredictor, lie: Any) -> None:
    """Check that a proven server that lies gives no answer, and answers again once it is honest."""
    told = itertools.count()

    def spoil(call: Any, answer: Any, outputs: dict[str, Any]) -> Any:
        is_proof = len(next(iter(outputs.values()))) == 4
        return False if is_proof else next(told) >= 0 and lie(call, answer, outputs)

    server.spoil = spoil
    assert outcomes(predictor.predict_each(images(2))) == ["Retry"] * 2
    assert next(told)
    server.spoil = None
    found = predictor.predict(images(2))
    assert [each.score for each in found] == pytest.approx(local(images(2)), abs=1e-6)
