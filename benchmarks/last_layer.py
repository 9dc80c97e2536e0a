"""Compares last layers fitted anew on the frozen trunk of the shipped model; a processor is enough.

`python -m benchmarks.last_layer RECIPE` reads the images of a recipe, never its test set, and keeps pooled
features in the recipe's folder. Columns: AUC of UNIFESP's unlabelled frontal chests against the pneumonias of
Hannover, Cohen and Figure 1; share of UNIFESP called pneumonia where 90 % of these are found; AUC of the
external normals against them, by the same fit without the hospitals in small shares; mean of both AUCs; mean
AUC of the validation children; at 0.5: JSRT's specificity, sensitivity, share of UNIFESP; gain of the first
AUC over the shipped head for each half of UNIFESP's patients, paired bootstrap by patients; offset of the
log-odds by the rule in docs/model/experiments.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.last_layer_fit import HEADS, Groups, Head, Line, fit, group
from gateway.errors import ConfigurationError
from gateway.model.network import build_network, load_into
from gateway.model.predictor import SHIPPED, read_model
from gateway.training.crops import cropper
from gateway.training.detector_images import detector_rows
from gateway.training.duplicates import without_copies
from gateway.training.evaluation.figures import auc, auc_between
from gateway.training.pixels import load_pixels
from gateway.training.recipe import Recipe, read_recipe
from gateway.training.samples import Sample, find_samples
from gateway.training.shown import kept_crops
from gateway.training.tables import place_of
from gateway.training.trunk import features
from gateway.training.validation import BORROWED, other_class

PER_GROUP = {"train": 300, "validation": 150}  # images of each source and class
SICK, STRANGE = ("hannover", "cohen", "figure1"), "unifesp-frontal"
OTHERS = (*SICK, "jsrt", "nih")  # hospitals in small shares
PLAIN = "as it is"
AT_HOME = ("kermany", "radiography")
SENSITIVITY = 0.9
KEPT = 0.88
OFFSETS = np.round(np.linspace(0, 1, 11), 1)
RESAMPLES = 1000
BATCH = 32

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]


class Pictures(NamedTuple):
    """n images as the classifier sees them, uint8 (n, 224, 224), with source, label and patient of each."""

    pixels: Pixels
    sources: NDArray[np.str_]
    labels: NDArray[np.int64]
    patients: NDArray[np.str_]


class Described(NamedTuple):
    """Pictures of a part, and their pooled features by view, float (n, 2048)."""

    pictures: Pictures
    views: dict[str, Floats]


def main() -> None:
    """Print a row for each head."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    recipe = read_recipe(parser.parse_args().recipe)
    if not isinstance(recipe, Recipe):
        raise ConfigurationError("this recipe trains the lung network: name the recipe of a classifier")
    card, model = read_model(SHIPPED)
    network = build_network()
    load_into(network, model.state)
    network.eval().requires_grad_(requires_grad=False)
    folder = recipe.out / "features" / card.weights.sha256[:16]
    parts = {name: described(network, name, of, folder) for name, of in pictures(recipe).items()}
    print(
        "head: AUC of UNIFESP, called at 0.9; AUC apart; mean; children; at 0.5: JSRT, sick, UNIFESP; gains"
    )
    before = _line(network)
    for name, head in HEADS.items():
        print(f"{name:<40} " + row(parts, before, head), flush=True)


def row(parts: dict[str, Described], before: Line, head: Head | None) -> str:
    """Return the figures of a head; None is the shipped one."""
    whole, apart = before, before
    if head:
        train = parts["train"]
        whole = fit(_groups(train, ()), head, before)
        apart = fit(_groups(train, OTHERS), head, before)
    odds, old = (on_others(parts, line) for line in (whole, before))
    unknown = on_others(parts, apart)
    first, second = (
        auc_between(odds["strange"], odds["sick"]),
        auc_between(unknown["normal"], unknown["sick"]),
    )
    found = np.quantile(odds["sick"], 1 - SENSITIVITY)
    figures = (
        first,
        (odds["strange"] >= found).mean(),
        second,
        (first + second) / 2,
        of_children(parts["validation"], whole),
        (odds["jsrt"] < 0).mean(),
        (odds["sick"] >= 0).mean(),
        (odds["strange"] >= 0).mean(),
    )
    return (
        "  ".join(f"{figure:.3f}" for figure in figures)
        + "  "
        + gains(parts, odds, old)
        + f" {offset(parts, whole):.1f}"
    )


def offset(parts: dict[str, Described], line: Line) -> float:
    """Return the greatest offset, 0 to 1, at which four groups of pneumonias keep a sensitivity of `KEPT`."""
    of, views = parts["external"]
    known, looks = parts["validation"]
    borrowed = line.odds(np.concatenate([looks[name] for name in BORROWED]))
    odds, sick = line.odds(views[PLAIN]), np.tile(known.labels == 1, len(BORROWED))
    groups = [odds[(of.labels == 1) & np.isin(of.sources, names)] for names in (SICK[:1], SICK[1:])]
    groups += [borrowed[sick & (np.tile(known.sources, len(BORROWED)) == name)] for name in AT_HOME]
    kept = [moved for moved in OFFSETS if all((each >= moved).mean() >= KEPT for each in groups)]
    return float(max(kept, default=0.0))


def on_others(parts: dict[str, Described], line: Line) -> dict[str, Floats]:
    """Return the log-odds of other hospitals' images: sick, normal, JSRT's, and UNIFESP's strange ones."""
    of, views = parts["external"]
    odds = line.odds(views[PLAIN])
    sick = (of.labels == 1) & np.isin(of.sources, SICK)
    jsrt = odds[of.sources == "jsrt"]
    strange = line.odds(parts["unlabelled"].views[PLAIN])
    return {"sick": odds[sick], "normal": odds[of.labels == 0], "jsrt": jsrt, "strange": strange}


def of_children(validation: Described, line: Line) -> float:
    """Return the mean AUC of Kermany's validation children as they are and with borrowed looks."""
    kermany = validation.pictures.sources == "kermany"
    labels = validation.pictures.labels[kermany]
    return float(np.mean([auc(labels, line.odds(view[kermany])) for view in validation.views.values()]))


def gains(parts: dict[str, Described], new: dict[str, Floats], old: dict[str, Floats]) -> str:
    """Return the gain of the AUC of each half of UNIFESP's patients, with its 95 % interval."""
    strange = parts["unlabelled"].pictures.patients
    external = parts["external"].pictures
    is_sick = (external.labels == 1) & np.isin(external.sources, SICK)
    sick, told = external.patients[is_sick], []
    first = np.array([place_of("half", patient) < 0.5 for patient in strange])
    for half in (first, ~first):
        rng, drawn = np.random.default_rng(0), []
        negative, positive = _by_patient(strange[half]), _by_patient(sick)
        for _ in range(RESAMPLES):
            a, b = _resample(negative, rng), _resample(positive, rng)
            drawn.append(
                auc_between(new["strange"][half][a], new["sick"][b])
                - auc_between(old["strange"][half][a], old["sick"][b])
            )
        told.append("[{:+.3f}, {:+.3f}]".format(*np.quantile(drawn, (0.025, 0.975))))
    return " ".join(told)


def pictures(recipe: Recipe) -> dict[str, Pictures]:
    """Return what the classifier sees of training, validation, external and unlabelled images."""
    crop = cropper(recipe.lungs, torch.device("cpu"))
    return {
        part: of._replace(pixels=kept_crops(crop, recipe.lungs, of.pixels, recipe.out / "cache").pixels)
        for part, of in whole_pictures(recipe, ("train", "validation", "external")).items()
    }


def whole_pictures(recipe: Recipe, parts: Iterable[str]) -> dict[str, Pictures]:
    """Return images of the parts, and the unlabelled ones, as they are before lungs are looked for."""
    cache, silent = recipe.out / "cache", lambda done, total, activity: None  # noqa: ARG005
    samples, rng = without_copies(find_samples(recipe), cache, silent), np.random.default_rng(7)
    found = {}
    for part in parts:
        listed = [samples[i] for i in _drawn(samples, part, rng)]
        whole = load_pixels([sample.path for sample in listed], cache, silent)
        found[part] = _pictures(whole, [(s.source, s.label, s.patient) for s in listed])
    sources = [(source, row) for source in recipe.detector for row in detector_rows(recipe, source)]
    strange = [row for source, row in sources if source.name == STRANGE]
    unlabelled = load_pixels([row.path for row in strange], cache, silent)
    found["unlabelled"] = _pictures(unlabelled, [(STRANGE, -1, row.patient) for row in strange])
    return found


def described(network: nn.Module, part: str, of: Pictures, folder: Path) -> Described:
    """Return the features of every view of a part, read from or written to a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    views = {}
    for name, view in views_of(part, of).items():
        path = folder / f"{part}, {name}.npy"
        if not path.exists():
            np.save(path, _features(network, view))
        views[name] = np.load(path)
    return Described(of, views)


def views_of(part: str, of: Pictures) -> dict[str, Iterable[Tensor]]:
    """Return batches for each view, made when they are read: images, float (n, 1, 224, 224), 0–1."""
    batches = torch.split(torch.from_numpy(of.pixels)[:, None].float() / 255, BATCH)
    if part != "validation":
        return {PLAIN: batches}
    partners = torch.from_numpy(other_class(of.sources, of.labels))
    others = torch.split(torch.cat(batches)[partners], BATCH)
    return {PLAIN: batches, **{name: map(borrow, batches, others) for name, borrow in BORROWED.items()}}


def _line(network: nn.Module) -> Line:
    last = cast(nn.Linear, network.fc)
    weights, bias = last.weight[1] - last.weight[0], last.bias[1] - last.bias[0]
    return Line(weights.double().numpy(), float(bias))


@torch.inference_mode()
def _features(network: nn.Module, batches: Iterable[Tensor]) -> Floats:
    with torch.autocast("cpu", torch.bfloat16):
        found = [features(network, batch * 2 - 1).float() for batch in batches]
    return torch.cat(found).numpy()


def _drawn(samples: list[Sample], part: str, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return sorted indices of the images of a part, at most `PER_GROUP` of each source and class."""
    groups = {(source, k): list[int]() for source in dict.fromkeys(s.source for s in samples) for k in (0, 1)}
    for i, sample in enumerate(samples):
        if sample.part == part:
            groups[sample.source, sample.label].append(i)
    drawn = [rng.permutation(np.array(of, np.intp))[: PER_GROUP.get(part)] for of in groups.values()]
    return np.sort(np.concatenate(drawn))


def _pictures(pixels: Pixels, listed: list[tuple[str, int, str]]) -> Pictures:
    sources, labels, patients = zip(*listed, strict=True)
    return Pictures(pixels, np.array(sources), np.array(labels, np.int64), np.array(patients))


def _groups(train: Described, left_out: tuple[str, ...]) -> Groups:
    of = train.pictures
    kept = ~np.isin(of.sources, left_out)
    return Groups(train.views[PLAIN][kept], of.labels[kept], group(of.sources[kept], of.labels[kept]))


def _by_patient(patients: NDArray[np.str_]) -> list[NDArray[np.intp]]:
    """Return the indices of the images of each patient."""
    return [np.flatnonzero(patients == patient) for patient in sorted(set(patients.tolist()))]


def _resample(patients: list[NDArray[np.intp]], rng: np.random.Generator) -> NDArray[np.intp]:
    """Return indices of the images of as many patients, drawn with replacement."""
    return np.concatenate([patients[i] for i in rng.integers(len(patients), size=len(patients))])


if __name__ == "__main__":
    main()
