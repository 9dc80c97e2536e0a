"""Compares an exported model with the model itself, by PyTorch, on reference and computed images.

`export_model` calls it after the files are written; what it runs are those files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from gateway.export.formats import Run
from gateway.export.images import computed_images
from gateway.model.card import ModelCard
from gateway.model.engines import Floats, Measured, RawOutput, log_odds_of
from gateway.model.opened_model import OpenedModel
from gateway.model.reference import reference_images
from gateway.remote.contract import ACTIVATION, DESCRIPTION_OUTPUT, LUNGS

MOST_APART = 1e-4
"""Largest difference of a probability: an export beyond it is not kept."""

BATCH = 8


class FileEngine:
    """The networks of an export; see `NetworkEngine`."""

    name, on_gpu, passes_at_once, tolerance = "export", False, 1, 0.001

    def __init__(self, classifier: Run, lungs: Run | None, biases: Floats) -> None:
        self._classifier, self._lungs, self._biases = classifier, lungs, biases

    def run(self, images: Floats) -> RawOutput:
        """Return the output for n images."""
        found = self._classifier(images)
        activation = found[ACTIVATION]
        return RawOutput(log_odds_of(activation, self._biases), activation, found[DESCRIPTION_OUTPUT])

    def mark_lungs(self, images: Floats) -> Floats:
        """Return the probability of lung."""
        if self._lungs is None:
            raise ValueError("the model has no lung network")
        return self._lungs(images)[LUNGS]


class Parity(NamedTuple):
    """Largest absolute differences of an export from the model, over so many images.

    `other_answers`: images whose probability is on the other side of the threshold.
    """

    images: int
    probability: float
    log_odds: float
    scores: float
    activation: float
    lungs: float
    other_answers: int

    @property
    def is_same(self) -> bool:
        """Tell whether the export gives the model's answers."""
        return self.probability <= MOST_APART and self.other_answers == 0


class _Answers(NamedTuple):
    measured: Measured
    lungs: Floats | None


def compare_export(
    exported: OpenedModel, model: OpenedModel, card: ModelCard, images: int, note: Callable[[], None]
) -> dict[str, Parity]:
    """Return the differences on reference images and on computed images."""
    sets: Mapping[str, Floats] = {
        "reference images": reference_images(),
        "computed images": computed_images(images),
    }
    found = {}
    for name, inputs in sets.items():
        parts = [inputs[first : first + BATCH] for first in range(0, len(inputs), BATCH)]
        pairs = []
        for part in parts:
            pairs.append((_answers(exported, part), _answers(model, part)))
            note()
        found[name] = _parity(pairs, card)
    return found


def _answers(model: OpenedModel, images: Floats) -> _Answers:
    lungs = model.mark(images) if model.lungs else None
    return _Answers(model.measure(model.look(images).images), lungs)


def _parity(pairs: list[tuple[_Answers, _Answers]], card: ModelCard) -> Parity:
    found, wanted = (np.concatenate([pair[side].measured.log_odds for pair in pairs]) for side in (0, 1))
    likely = [np.array([card.probability(float(each)) for each in side]) for side in (found, wanted)]
    sides = [each >= card.threshold for each in likely]
    return Parity(
        images=len(found),
        probability=float(np.abs(likely[0] - likely[1]).max()),
        log_odds=_apart(pairs, lambda each: each.measured.log_odds),
        scores=_apart(pairs, lambda each: each.measured.ood),
        activation=_apart(pairs, lambda each: each.measured.activation),
        lungs=_apart(pairs, lambda each: each.lungs),
        other_answers=int((sides[0] != sides[1]).sum()),
    )


def _apart(pairs: list[tuple[_Answers, _Answers]], part: Callable[[_Answers], Any]) -> float:
    apart = [0.0]
    for found, wanted in pairs:
        if part(found) is not None:
            apart.append(float(np.abs(part(found) - part(wanted)).max()))
    return float(np.max(apart))
