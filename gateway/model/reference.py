"""Reference answers: PyTorch's measurements of a few computed radiographs, by the weights of a model.

`choice` compares an engine with them before it answers; `gateway model check` compares every engine. The
images are the gateway's. The answers lie beside the model card in `reference.json`; `gateway train` and
`gateway model reference` write them. Answers of other weights count as missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model.abstention import Detector
from gateway.model.engines import Measured, NetworkEngine, measure

REFERENCE_NAME = "reference.json"
IMAGES = Path(__file__).parent / "reference_images.npz"
"""uint8 (n, 224, 224), grey levels of inputs; sample_dicoms/reference_images.py writes them."""

CELLS = 10.0
"""Tolerance of a single cell of an activation map, in tolerances of the log-odds, which are its mean."""


class Unproven(Exception):  # noqa: N818 - a state of knowledge
    """The engine has not shown that it computes the reference answers; the text says why, in one line."""


class Differences(NamedTuple):
    """Largest absolute differences from the reference answers: log-odds, OOD scores, activation cells."""

    log_odds: float
    ood: float
    activation: float

    def within(self, tolerance: float) -> bool:
        """Tell whether an engine of this tolerance computes the same; a difference of NaN is none within."""
        return self.log_odds <= tolerance and self.ood <= tolerance and self.activation <= CELLS * tolerance

    def __str__(self) -> str:
        return f"log-odds {self.log_odds:.2g}, scores {self.ood:.2g}, map {self.activation:.2g}"


def reference_images() -> NDArray[np.float32]:
    """Return the inputs of the comparison, float32 (n, 3, 224, 224), -1 to 1."""
    with np.load(IMAGES, allow_pickle=False) as archive:
        grey = archive["images"].astype(np.float32) / np.float32(127.5) - np.float32(1)
    return np.ascontiguousarray(np.broadcast_to(grey[:, None], (len(grey), 3, *grey.shape[1:])))


def write_reference(folder: Path, weights_sha256: str, measured: Measured) -> None:
    """Write the measurements of `reference_images` beside the model card in `folder`."""
    fields = {name: np.round(values.astype(float), 5).tolist() for name, values in measured._asdict().items()}
    content = json.dumps({"weights_sha256": weights_sha256} | fields, indent=None)
    (folder / REFERENCE_NAME).write_text(content + "\n", encoding="utf-8")


def read_reference(folder: Path, weights_sha256: str) -> Measured:
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
        of_weights = content["weights_sha256"]
        measured = Measured(*(np.array(content[name], np.float32) for name in Measured._fields))
    except FileNotFoundError:
        raise Unproven(f"the model has no reference answers: {advice}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unproven(f"{path} cannot be read ({error!r}): {advice}") from error
    if of_weights != weights_sha256:
        raise Unproven(f"{path} holds answers of other weights: {advice}")
    return measured


def compare(engine: NetworkEngine, detector: Detector | None, expected: Measured) -> Differences:
    """Return the differences of the engine's measurements from the reference answers."""
    measured = measure(engine, detector, reference_images())
    return Differences(*(float(np.abs(a - b).max()) for a, b in zip(measured, expected, strict=True)))


def prove(engine: NetworkEngine, detector: Detector | None, folder: Path, weights_sha256: str) -> None:
    """Let the engine answer the reference images.

    Raises
    ------
    Unproven
        It differs beyond its tolerance, or there are no reference answers.
    """
    differences = compare(engine, detector, read_reference(folder, weights_sha256))
    if not differences.within(engine.tolerance):
        raise Unproven(f"it differs from the reference answers ({differences}; allowed {engine.tolerance})")
