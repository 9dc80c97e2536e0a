"""Answers of a model that was never trained: what the gateway might say about an image."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.records import Box, Finding, LungNetworkIdentity, Lungs, ModelIdentity, Prediction
from gateway.results.answer import Answer

FINDING = Finding("233604007", "SCT", "Pneumonia")
MODEL = ModelIdentity(
    "CXR ResNet-50", "1.2.0", "5e" * 32, 0.5, "temperature 1.31", "Normal", "Pneumonia", FINDING
)
LUNGS = Lungs(
    box=Box(0.1, 0.15, 0.9, 0.85),
    coverage=0.31,
    outlines=(
        ((0.15, 0.2), (0.15, 0.8), (0.4, 0.8), (0.4, 0.2)),
        ((0.6, 0.2), (0.6, 0.8), (0.85, 0.8), (0.85, 0.2)),
    ),
    hull=((0.1, 0.15), (0.9, 0.15), (0.9, 0.85), (0.1, 0.85)),
)
NOON = datetime(2026, 5, 17, 12, 30, 15, 250000, tzinfo=UTC)


def activation_map() -> NDArray[np.float32]:
    """Return a map, shape (7, 7): one region for pneumonia, one against, the rest silent."""
    activation = np.zeros((7, 7), np.float32)
    activation[4:6, 4:6] = 6
    activation[1, 1] = -5
    return activation


def prediction(score: float | None, reason: str | None = None, model: ModelIdentity = MODEL) -> Prediction:
    """Return a prediction by `model` with the map of `activation_map`."""
    return Prediction(score, reason, activation_map(), model)


PNEUMONIA = prediction(0.875)
NORMAL = prediction(0.031)
CROPPED = replace(
    prediction(0.875, model=replace(MODEL, lungs=LungNetworkIdentity("7a" * 32, "box", 0.05))), region=LUNGS
)
"""Pneumonia, by a model that saw the lungs alone."""
UNDETERMINED = prediction(None, "The image does not look like a chest radiograph.")


def answer(given: Prediction = PNEUMONIA, **overrides: Any) -> Answer:
    """Return an answer given at noon UTC; overrides by field of `Answer`."""
    fields: dict[str, Any] = {
        "prediction": given,
        "pixel_digest": "d1" * 32,
        "configuration": "c0" * 32,
        "software_version": "0.1.0",
        "view": "PA",
        "created_at": NOON,
        "steps": ("window 2048/4096, LINEAR", "scaled to 0-65535"),
    }
    return Answer(**(fields | overrides))
