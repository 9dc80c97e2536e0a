"""Measures a finished model and writes its figures: JSON, card, document, plots. `finish` calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.imaging.preprocess import to_model_input
from gateway.model.card import CARD_NAME, ModelCard, write_card
from gateway.model.choice import EngineRules
from gateway.model.comparison import make_reference
from gateway.model.predictor import Predictor
from gateway.records import Presence
from gateway.training.detector_images import DetectorImages
from gateway.training.evaluation.dataset import (
    CLASSES,
    LabelledImage,
    find_labelled,
    load_input,
    subgroup_of,
)
from gateway.training.evaluation.evaluate import evaluate_images
from gateway.training.evaluation.measure import Progress, load_batches
from gateway.training.evaluation.model_card import model_card
from gateway.training.evaluation.plots import draw_activation, draw_losses, draw_plots
from gateway.training.negatives import NEGATIVES, make_negatives
from gateway.training.recipe import Recipe
from gateway.training.samples import Sample

EXTERNAL = "other hospitals"
PER_KIND = 50  # negatives of each kind
METRICS_NAME = "metrics.json"
REFUSED_NAME = "refused.json"
DOCUMENT_NAME = "MODEL_CARD.md"


def publish(
    recipe: Recipe,
    card: ModelCard,
    samples: list[Sample],
    real: DetectorImages | None,
    progress: Progress,
) -> None:
    """Measure the model in the recipe's folder on images not used in training; write the figures there."""
    write_card(card, recipe.out / CARD_NAME)
    make_reference(recipe.out)
    predictor = Predictor.open(recipe.out, EngineRules("torch", device=recipe.device))
    sets = _never_trained_on(recipe, samples)
    metrics = {name: evaluate_images(predictor, images, progress) for name, images in sets.items()}
    refused = _refused(predictor, [image.path for images in sets.values() for image in images], progress)
    if real:
        refused |= _refused_of_real(predictor, real)
    (recipe.out / METRICS_NAME).write_text(json.dumps(metrics, indent=1), encoding="utf-8")
    (recipe.out / REFUSED_NAME).write_text(json.dumps(refused, indent=1), encoding="utf-8")
    card = card.model_copy(update={"metrics": _headlines(metrics)})
    write_card(card, recipe.out / CARD_NAME)
    text = model_card(card, metrics, refused, recipe.procedure, recipe.limits)
    (recipe.out / DOCUMENT_NAME).write_text(text, encoding="utf-8")
    _draw_losses(recipe)
    if sets:
        name, images = list(sets.items())[-1]
        draw_plots(metrics[name], f"{recipe.name} {recipe.version}: {name}", recipe.out)
        _draw_examples(predictor, images, recipe.out)


def _never_trained_on(recipe: Recipe, samples: list[Sample]) -> dict[str, list[LabelledImage]]:
    """Return the images of other hospitals, the held-out part of each source, and the test set, by name."""
    sets: dict[str, list[LabelledImage]] = {}
    for sample in samples:
        if sample.part == "external":
            group = f"{sample.source}, {CLASSES[sample.label]}"
            sets.setdefault(EXTERNAL, []).append(LabelledImage(sample.path, sample.label, group))
    for sample in samples:
        if sample.part == "heldout":
            group = subgroup_of(sample.path, CLASSES[sample.label])
            image = LabelledImage(sample.path, sample.label, group)
            sets.setdefault(f"{sample.source}, held out", []).append(image)
    if recipe.test:
        sets[recipe.test.name] = find_labelled(recipe.root / recipe.test.folder, recipe.test.classes)
    return sets


def _refused(predictor: Predictor, paths: list[Path], progress: Progress) -> dict[str, float]:
    """Return the share of each kind of negative, made from images never trained on, that gets no answer."""
    if not paths or predictor.card.abstention is None:
        return {}
    used = paths[:: max(1, len(paths) // PER_KIND)][:PER_KIND]
    chests = np.stack([np.rint((load_input(path)[0] + 1) * 127.5).astype(np.uint8) for path in used])
    shares = {}
    for i, kind in enumerate(NEGATIVES):
        made = make_negatives(chests, kind, np.random.default_rng(1000 + i))
        inputs = np.stack([to_model_input(image) for image in made])
        answers = predictor.predict(inputs)
        shares[kind] = sum(answer.presence is Presence.UNDETERMINED for answer in answers) / len(answers)
        progress(i + 1, len(NEGATIVES), "kinds of negatives shown")
    return shares


def _refused_of_real(predictor: Predictor, real: DetectorImages) -> dict[str, float]:
    """Return the share without an answer of real images kept apart, by kind; frontal chests first."""
    shares = {}
    for frontal in (True, False):
        rows = real.rows("heldout", frontal=frontal)
        kinds, undetermined = np.array(real.kinds(rows)), np.array(_undetermined(predictor, real, rows))
        for kind in sorted(set(kinds.tolist())):
            name = f"{kind}{' (frontal chest)' if frontal else ''}, {(kinds == kind).sum()} real images"
            shares[name] = float(undetermined[kinds == kind].mean())
    return shares


def _undetermined(predictor: Predictor, real: DetectorImages, rows: NDArray[np.intp]) -> list[bool]:
    found = []
    for row in rows:
        inputs = np.repeat(real.whole[row][None, None].astype(np.float32) / 127.5 - 1, 3, axis=1)
        (answer,) = predictor.predict(inputs)
        found.append(answer.presence is Presence.UNDETERMINED)
    return found


def _headlines(metrics: dict[str, Any]) -> dict[str, dict[str, float]]:
    keys = ("accuracy", "sensitivity", "specificity", "auc")
    return {name: {key: round(of[key]["value"], 4) for key in keys} for name, of in metrics.items()}


def _draw_losses(recipe: Recipe) -> None:
    reports = {stage.name: recipe.out / stage.name / "report.json" for stage in recipe.stages}
    trained = {name: path for name, path in reports.items() if path.exists()}
    losses = {name: json.loads(path.read_text("utf-8"))["losses"] for name, path in trained.items()}
    if any(losses.values()):
        draw_losses({name: values for name, values in losses.items() if values}, recipe.out)


def _draw_examples(predictor: Predictor, images: list[LabelledImage], folder: Path) -> None:
    """Draw the activation maps of six images, spread over a data set."""
    shown = images[:: max(1, len(images) // 6)][:6]
    seen = predictor.look(next(load_batches([image.path for image in shown]))).images
    measured = predictor.measure_seen(seen)
    titles = [
        f"{CLASSES[image.label]}, P {predictor.card.probability(float(odds)):.2f}"
        for image, odds in zip(shown, measured.log_odds, strict=True)
    ]
    draw_activation(seen, measured.activation, titles, folder / "activation.png")
