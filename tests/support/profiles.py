"""Site profiles for models of tests; the figures are made up."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from gateway.model.card import ModelCard, Weights
from gateway.model.engines import Measured
from gateway.model.profile import (
    PROFILE_NAME,
    STATISTICS_NAME,
    Figures,
    FittedModel,
    Images,
    Part,
    ProfileCard,
    Scores,
    encode_statistics,
    is_statistic,
    sealed,
)
from gateway.model.weights import State

SITE = "St. Elsewhere"
MADE = date(2026, 5, 17)
NO_REFERENCE = Measured(np.zeros(4), np.zeros((4, 2)), np.zeros((4, 7, 7)))
FIGURES = Figures(specificity=Part(part=18, whole=20, low=0.7, high=0.97))


def profile_in(
    folder: Path, model: ModelCard, state: State, reference: Measured = NO_REFERENCE, **changes: Any
) -> str:
    """Write the profile of a model with the statistics in `state`; return its SHA-256."""
    content = encode_statistics({k: v for k, v in state.items() if is_statistic(k)}, reference)
    fields: dict[str, Any] = {
        "site": SITE,
        "made": MADE,
        "software": "0.3.0",
        "model": FittedModel.of(model),
        "target_specificity": 0.9,
        "threshold": 0.75,
        "share": 1.0,
        "statistics": Weights(file=STATISTICS_NAME, sha256=hashlib.sha256(content).hexdigest()),
        "images": Images(salt="5a" * 16, normal=("ab" * 32,) * 20),
        "before": FIGURES,
        "after": FIGURES,
        "scores": Scores(normal=(0.1, 0.2, 0.3, 0.4, 0.5)),
    }
    folder.mkdir(parents=True, exist_ok=True)
    text, sha256 = sealed(ProfileCard(**fields | changes))
    (folder / STATISTICS_NAME).write_bytes(content)
    (folder / PROFILE_NAME).write_bytes(text)
    return sha256
