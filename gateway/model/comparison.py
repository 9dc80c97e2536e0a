"""Compares every engine of this machine with a model's reference answers, and writes these.

`gateway model check` and `reference` call it, training writes the reference of a new model by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gateway.errors import ConfigurationError
from gateway.model.choice import EngineRules, Weighed, open_openvino, open_torch
from gateway.model.engines import NetworkEngine
from gateway.model.predictor import SHIPPED, read_model
from gateway.model.reference import (
    Differences,
    Unproven,
    compare,
    read_reference,
    reference_answers,
    write_reference,
)


class Compared(NamedTuple):
    """An engine beside the reference; `same`: the differences are within its tolerance."""

    engine: str
    differences: Differences | None
    same: bool
    told: str


def compare_engines(path: Path | None) -> Iterator[Compared]:
    """Yield the comparison of each engine; those that this machine lacks are left out.

    Raises
    ------
    ConfigurationError
        The model cannot be read, or has no reference answers.
    """
    _, model = read_model(SHIPPED if path is None else path)
    try:
        expected = read_reference(model.folder, model.hashes)
    except Unproven as error:
        raise ConfigurationError(str(error)) from error
    for open_engine in _engines(model):
        try:
            engine = open_engine()
        except ConfigurationError:  # no GPU, or no bfloat16
            continue
        except (ImportError, OSError, RuntimeError) as error:
            yield Compared("OpenVINO", None, False, str(error).split("\n", 1)[0])
            continue
        differences = compare(model.opened(engine), expected)
        same = differences.within(engine.tolerance)
        yield Compared(engine.name, differences, same, f"{differences}; allowed {engine.tolerance}")


def make_reference(path: Path | None) -> Path:
    """Write the reference answers of a model beside its card, by PyTorch on the processor."""
    _, model = read_model(SHIPPED if path is None else path)
    opened = model.opened(open_torch(model, EngineRules(device="cpu")))
    write_reference(model.folder, model.hashes, reference_answers(opened))
    return model.folder


def _engines(model: Weighed) -> list[Callable[[], NetworkEngine]]:
    return [
        partial(open_torch, model, EngineRules(device="cpu")),
        partial(open_torch, model, EngineRules(device="cuda")),
        partial(open_openvino, model, EngineRules(precision="float32")),
        partial(open_openvino, model, EngineRules(precision="bfloat16")),
    ]
