"""From trained weights to a model: detector, calibration, card, figures on images never used before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from gateway.model.abstention import Detector
from gateway.model.card import Abstention, ModelCard, Weights
from gateway.model.evaluation.measure import Progress
from gateway.model.evaluation.shifts import SHIFTS
from gateway.model.training.calibration import choose_temperature
from gateway.model.training.descriptions import describe
from gateway.model.training.junk import JUNK, make_junk
from gateway.model.training.outliers import fit_detector, limits
from gateway.model.training.publish import publish
from gateway.model.training.recipe import Recipe
from gateway.model.training.samples import Part, Sample

WEIGHTS_NAME = "model.safetensors"
PER_GROUP = {"train": 500, "validation": 150}  # images of each source and class that are described
SHIFTED = ("closer", "darker", "local contrast")  # the temperature must hold on these


@dataclass(frozen=True)
class Stock:
    """The images of a recipe: what each is, and uint8 pixels (n, 224, 224)."""

    samples: list[Sample]
    pixels: NDArray[np.uint8]

    def draw(self, part: Part, most: int) -> NDArray[np.intp]:
        """Return the indices of at most `most` images of each source and class, the same every time."""
        rng = np.random.default_rng(0)
        groups: dict[tuple[str, int], list[int]] = {}
        for i, sample in enumerate(self.samples):
            if sample.part == part:
                groups.setdefault((sample.source, sample.label), []).append(i)
        chosen = [rng.permutation(members)[:most] for members in groups.values()]
        return np.sort(np.concatenate(chosen))

    def labels(self, rows: NDArray[np.intp]) -> NDArray[np.int64]:
        """Return the classes, 0 or 1, of some images."""
        return np.array([self.samples[i].label for i in rows], np.int64)

    def groups(self, rows: NDArray[np.intp]) -> Tensor:
        """Return one number for each source and class, int64 (n,)."""
        names = [(self.samples[i].source, self.samples[i].label) for i in rows]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        return torch.tensor([numbers[name] for name in names])


def finish(recipe: Recipe, network: nn.Module, stock: Stock, progress: Progress) -> None:
    """Write model, card and figures of `network`, which is in evaluation mode, to the recipe's folder."""
    detector, abstention = _detector(network, stock, progress)
    temperature = _temperature(network, stock, progress)
    _write_weights(network, detector, recipe.out / WEIGHTS_NAME)
    card = _card(recipe, abstention, temperature)
    publish(recipe, card, stock.samples, progress)


def _detector(network: nn.Module, stock: Stock, progress: Progress) -> tuple[Detector, Abstention]:
    rows = stock.draw("train", PER_GROUP["train"])
    chests = describe(network, stock.pixels[rows]).description
    junk = []
    for i, kind in enumerate(JUNK):
        used = np.resize(rows, max(len(rows), len(JUNK)))[i :: len(JUNK)]
        made = make_junk(stock.pixels[used], kind, np.random.default_rng(i))
        junk.append(describe(network, made).description)
        progress(i + 1, len(JUNK), "kinds of junk described")
    detector = fit_detector(chests, stock.groups(rows), torch.cat(junk))
    seen = stock.draw("validation", PER_GROUP["validation"])
    scores = detector.score(describe(network, stock.pixels[seen]).description)
    return detector, limits(scores, stock.groups(seen))


def _temperature(network: nn.Module, stock: Stock, progress: Progress) -> float | None:
    """Fit on one half of the validation images as they are, try on the other half, shifted."""
    rows = stock.draw("validation", PER_GROUP["validation"])
    fitted, tried = rows[::2], rows[1::2]
    plain = describe(network, stock.pixels[fitted]).log_odds.double().numpy()
    shifted = []
    for i, name in enumerate(SHIFTED):
        shifted.append(describe(network, stock.pixels[tried], SHIFTS[name]).log_odds.double().numpy())
        progress(i + 1, len(SHIFTED), "shifts described")
    labels = np.tile(stock.labels(tried), len(SHIFTED))
    return choose_temperature((plain, stock.labels(fitted)), (np.concatenate(shifted), labels))


def _write_weights(network: nn.Module, detector: Detector, path: Path) -> None:
    """Half precision: half the size, and the log-odds move by less than a thousandth."""
    tensors = dict(network.state_dict()) | detector.tensors()
    kept = {name: t for name, t in tensors.items() if not name.endswith("num_batches_tracked")}
    save_file({name: tensor.half().cpu().contiguous() for name, tensor in kept.items()}, path)


def _card(recipe: Recipe, abstention: Abstention, temperature: float | None) -> ModelCard:
    sha256 = hashlib.sha256((recipe.out / WEIGHTS_NAME).read_bytes()).hexdigest()
    return ModelCard(
        name=recipe.name,
        version=recipe.version,
        weights=Weights(file=WEIGHTS_NAME, sha256=sha256),
        abstention=abstention,
        temperature=temperature,
        data=recipe.data,
        licence=recipe.licence,
        intended_use=recipe.intended_use,
    )
