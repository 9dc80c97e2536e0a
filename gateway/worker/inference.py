"""INFER: opens the configured model, and lets it predict images.

The pipeline, `gateway predict` and everything else that opens a model by the settings call it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.model.choice import EngineRules
from gateway.model.predictor import Predictor, Told
from gateway.settings import Settings

LARGEST_BATCH_ON_CPU = 4  # more gains nothing there, and the first of a batch waits for its last


def infer(tensors: Sequence[NDArray[np.float32]], predictor: Predictor) -> list[Told]:
    """INFER all images together; return the prediction of each, or why it has none."""
    return predictor.predict_each(np.stack(tensors)) if tensors else []


def batch_size(settings: Settings, predictor: Predictor) -> int:
    """Return how many images share a forward pass."""
    size = settings.model.batch_size
    return size if predictor.on_gpu else min(size, LARGEST_BATCH_ON_CPU)


def open_predictor(settings: Settings, passes_at_once: int = 1) -> Predictor:
    """Open the configured model; one at model servers is open while they are away."""
    model = settings.model
    if model.kind == "remote":
        from gateway.remote.opening import open_remote

        return open_remote(model)
    return Predictor.open(
        model.path, engine_rules(settings, passes_at_once), threshold=model.threshold, profile=model.profile
    )


def engine_rules(settings: Settings, passes_at_once: int = 1) -> EngineRules:
    """Return what chooses the engine; the workers of this machine share its cores."""
    model = settings.model
    share = max(1, len(os.sched_getaffinity(0)) // settings.workers)
    return EngineRules(model.engine, model.precision, model.device, model.threads or share, passes_at_once)
