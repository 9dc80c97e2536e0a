"""Reference answers: PyTorch's measurements of a few computed radiographs, by the weights of a model.

`choice` compares an engine with them before it answers; `gateway model check` compares every engine. The
images are the gateway's. The answers lie beside the model card in `reference.json`; `gateway train` and
`gateway model reference` write them. Answers of other weights count as missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gateway.model.engines import Floats, Measured
from gateway.model.opened_model import OpenedModel

REFERENCE_NAME = "reference.json"
IMAGES = Path(__file__).parent / "reference_images.npz"
"""uint8 (n, 224, 224), grey levels of inputs; sample_dicoms/reference_images.py writes them."""

LUNG_TOLERANCE = 0.001
"""Tolerance of the probability of lung in a cell: the lung network runs in float32 in every engine."""

CELLS = 10.0
"""Tolerance of a single cell of an activation map, in tolerances of the log-odds, which are its mean."""


_CELLS_OF_LUNGS = 14  # in each direction
_HASHES = ("weights_sha256", "lungs_sha256")  # keys, in the order of `Weighed.hashes`
_LUNGS = "lungs"


class Unproven(Exception):  # noqa: N818 - a state of knowledge
    """The engine has not shown that it computes the reference answers; the text says why, in one line."""


class Reference(NamedTuple):
    """Answers to the reference images.

    `lungs` is the mean probability of lung in cells, float32 (n, 14, 14); None of a model without a lung
    network.
    """

    measured: Measured
    lungs: Floats | None


class Differences(NamedTuple):
    """Largest absolute differences from the reference: log-odds, OOD scores, activation cells, lung cells."""

    log_odds: float
    ood: float
    activation: float
    lungs: float = 0.0

    def within(self, tolerance: float) -> bool:
        """Tell whether an engine of this tolerance computes the same; a difference of NaN is none within."""
        alike = self.log_odds <= tolerance and self.ood <= tolerance and self.activation <= CELLS * tolerance
        return alike and self.lungs <= LUNG_TOLERANCE

    def __str__(self) -> str:
        told = f"log-odds {self.log_odds:.2g}, scores {self.ood:.2g}, map {self.activation:.2g}"
        return f"{told}, lungs {self.lungs:.2g}" if self.lungs else told


def reference_images() -> Floats:
    """Return the inputs of the comparison, float32 (n, 3, 224, 224), -1 to 1."""
    with np.load(IMAGES, allow_pickle=False) as archive:
        grey = archive["images"].astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(np.broadcast_to(grey[:, None], (len(grey), 3, *grey.shape[1:])))


def reference_answers(model: OpenedModel) -> Reference:
    """Return the answers of a model to `reference_images`, on the way of every image."""
    images = reference_images()
    lungs = _cells(model.mark(images)) if model.lungs else None
    return Reference(model.measure(model.look(images).images), lungs)


def write_reference(folder: Path, hashes: Sequence[str], answers: Reference) -> None:
    """Write the answers of a model beside its card in `folder`; `hashes` are `Weighed.hashes`."""
    fields = dict(zip(_HASHES, hashes, strict=False)) | _rounded(answers.measured._asdict())
    if answers.lungs is not None:
        fields |= _rounded({_LUNGS: answers.lungs})
    (folder / REFERENCE_NAME).write_text(json.dumps(fields) + "\n", encoding="utf-8")


def read_reference(folder: Path, hashes: Sequence[str]) -> Reference:
    """Return the reference answers of these weights.

    Raises
    ------
    Unproven
        There are none for these weights in `folder`, or they cannot be read.
    """
    path = folder / REFERENCE_NAME
    advice = f"run gateway model reference {folder}"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        of_weights = [content[name] for name in _HASHES if name in content]
        measured = Measured(*(np.array(content[name], np.float32) for name in Measured._fields))
        lungs = np.array(content[_LUNGS], np.float32) if _LUNGS in content else None
    except FileNotFoundError:
        raise Unproven(f"the model has no reference answers: {advice}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unproven(f"{path} cannot be read ({error!r}): {advice}") from error
    if of_weights != list(hashes):
        raise Unproven(f"{path} holds answers of other weights: {advice}")
    return Reference(measured, lungs)


def compare(model: OpenedModel, expected: Reference) -> Differences:
    """Return the differences of the model's answers from the reference answers."""
    answers = reference_answers(model)
    pairs = [*zip(answers.measured, expected.measured, strict=True)]
    if answers.lungs is not None and expected.lungs is not None:
        pairs.append((answers.lungs, expected.lungs))
    return Differences(*(float(np.abs(a - b).max()) for a, b in pairs))


def prove(model: OpenedModel, expected: Reference) -> None:
    """Let the model answer the reference images.

    Raises
    ------
    Unproven
        It differs from the reference answers beyond its engine's tolerance.
    """
    differences = compare(model, expected)
    tolerance = model.engine.tolerance
    if not differences.within(tolerance):
        raise Unproven(f"it differs from the reference answers ({differences}; allowed {tolerance})")


def _cells(probabilities: Floats) -> Floats:
    """Return the mean probability of lung in each of 14 x 14 cells, float32 (n, 14, 14)."""
    count, side, _ = probabilities.shape
    size = side // _CELLS_OF_LUNGS
    cells = probabilities.reshape(count, _CELLS_OF_LUNGS, size, _CELLS_OF_LUNGS, size)
    return np.asarray(cells.mean(axis=(2, 4)), np.float32)


def _rounded(fields: Mapping[str, Floats]) -> dict[str, Any]:
    return {name: np.round(values.astype(float), 5).tolist() for name, values in fields.items()}
