"""Answers that are no answers, as a spoilt server gives them over either protocol."""

# ruff: noqa: ARG001, ARG005 - what spoils answers has one signature

from __future__ import annotations

from typing import Any

import numpy as np


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
