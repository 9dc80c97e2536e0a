"""`gateway evaluate`: computes the figures of a model on one data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model.abstention import reason_to_abstain
from gateway.model.card import ModelCard
from gateway.model.choice import AUTOMATIC, EngineRules
from gateway.model.engines import Measured
from gateway.model.predictor import Predictor
from gateway.training.evaluation.baselines import baseline_auc
from gateway.training.evaluation.dataset import Class, LabelledImage, find_labelled
from gateway.training.evaluation.figures import (
    Labels,
    Scores,
    at_threshold,
    auc,
    calibration_error,
    calibration_floor,
    specificity_at,
    with_interval,
)
from gateway.training.evaluation.measure import MeasuredFiles, Progress, measure_files

AT_SENSITIVITIES = {f"specificity at sensitivity {s}": specificity_at(s) for s in (0.85, 0.9, 0.95, 0.97)}


def evaluate(
    model: Path | None,
    dataset: Path,
    *,
    classes: Mapping[str, Class] | None = None,
    rules: EngineRules = AUTOMATIC,
    progress: Progress = lambda done, total, activity: None,  # noqa: ARG005
) -> dict[str, Any]:
    """Measure a model on a folder of labelled images.

    Parameters
    ----------
    model
        As for `Predictor.open`; None is the shipped model.
    dataset
        A folder with one sub-folder of PNG, JPEG or DICOM files for each class.
    classes
        Sub-folder → class; None: Kermany's, the Radiography Database's and the class names.
    rules
        Engine, precision, device and threads.
    progress
        Called with the number of images done, their total, and the activity.

    Raises
    ------
    ConfigurationError
        The model, the folder or an image is unusable; the first unusable image is named.
    """
    images = find_labelled(dataset, classes)
    predictor = Predictor.open(model, rules)
    return evaluate_images(predictor, images, progress)


def evaluate_images(
    predictor: Predictor, images: Sequence[LabelledImage], progress: Progress
) -> dict[str, Any]:
    """Return the figures of `evaluate` for a list of images."""
    found = measure_files(predictor, [image.path for image in images], progress)
    return report(predictor.card, predictor.identity.threshold, images, found)


def report(
    card: ModelCard,
    threshold: float,
    images: Sequence[LabelledImage],
    found: MeasuredFiles,
) -> dict[str, Any]:
    """Return figures of measurements; images with abstention are counted by their score."""
    rng = np.random.default_rng(0)
    measured = found.measured
    labels = np.array([image.label for image in images], np.int64)
    scores = np.array([card.probability(float(odds)) for odds in measured.log_odds])
    figures = at_threshold(threshold) | {"auc": auc} | AT_SENSITIVITIES
    return {
        "images": len(images),
        "threshold": threshold,
        **{name: with_interval(figure, labels, scores, rng) for name, figure in figures.items()},
        "confusion": _confusion(labels, scores >= threshold),
        "calibration": _calibration(card, labels, measured, rng),
        "abstained": _abstained(card, found),
        "subgroups": _subgroups(images, scores >= threshold),
        "regions": _regions(found),
        "occlusion": _occlusion(found.changes),
        "baselines": _baselines(found, labels),
        "scores": {"label": labels.tolist(), "p_pneumonia": [round(p, 5) for p in scores.tolist()]},
    }


def _confusion(labels: Labels, positive: NDArray[np.bool_]) -> dict[str, int]:
    return {
        "true positive": int((positive & (labels == 1)).sum()),
        "false positive": int((positive & (labels == 0)).sum()),
        "true negative": int((~positive & (labels == 0)).sum()),
        "false negative": int((~positive & (labels == 1)).sum()),
    }


def _calibration(
    card: ModelCard, labels: Labels, measured: Measured, rng: np.random.Generator
) -> dict[str, Any]:
    """Return the calibration error without and with the card's calibration, and its finite-sample floor."""
    plain: Scores = 1 / (1 + np.exp(-measured.log_odds.astype(np.float64)))
    calibrated = np.array([card.probability(float(odds)) for odds in measured.log_odds])
    return {
        "method": card.calibration,
        "before": with_interval(calibration_error, labels, plain, rng),
        "after": with_interval(calibration_error, labels, calibrated, rng),
        "floor": calibration_floor(calibrated, rng),
    }


def _abstained(card: ModelCard, found: MeasuredFiles) -> float | None:
    if card.abstention is None and card.lungs is None:
        return None
    scores = zip(found.measured.log_odds.tolist(), found.measured.ood.tolist(), found.regions, strict=True)
    reasons = [reason_to_abstain(odds, d, j, card.abstention, region) for odds, (d, j), region in scores]
    return sum(reason is not None for reason in reasons) / len(reasons)


def _baselines(found: MeasuredFiles, labels: Labels) -> dict[str, float | None]:
    """Return the AUC that framing, and grey values, have alone; None where it cannot be measured."""
    numbers = {"framing": found.framing(), "grey values": found.grey}
    measured = {name: None if of is None else baseline_auc(of, labels) for name, of in numbers.items()}
    return {name: None if value is None or np.isnan(value) else value for name, value in measured.items()}


def _regions(found: MeasuredFiles) -> dict[str, int]:
    """Return how many images were cropped to their lungs, seen whole, or without lungs."""
    return dict(Counter(region.outcome for region in found.regions if region))


def _subgroups(images: Sequence[LabelledImage], positive: NDArray[np.bool_]) -> dict[str, dict[str, float]]:
    """Return the number of images and the accuracy of each subgroup."""
    right = positive == np.array([image.label == 1 for image in images])
    names = np.array([image.subgroup for image in images])
    return {
        name: {"images": int((names == name).sum()), "accuracy": float(right[names == name].mean())}
        for name in sorted(set(names.tolist()))
    }


def _occlusion(changes: NDArray[np.float32]) -> dict[str, float]:
    """Return the mean absolute change of the log-odds when the hottest, or a random, tenth is hidden."""
    hottest, random = changes.mean(axis=0).tolist()
    return {"hottest tenth": hottest, "random tenth": random}
