"""Draws the figures of a model as PNG files with matplotlib. `publish` and `gateway evaluate` call it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gateway.errors import ConfigurationError
from gateway.training.evaluation.figures import BINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curve = NDArray[np.float64]
GRID = np.linspace(0, 1, 201)


def require_matplotlib() -> None:
    """Raise ConfigurationError where matplotlib is missing; call it before long work."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ConfigurationError("plots need matplotlib: pip install 'cxr-gateway[train]'") from error


def draw_plots(metrics: dict[str, Any], title: str, folder: Path) -> None:
    """Write ROC curve, precision–recall curve, confusion matrix and reliability diagram of one data set.

    `metrics` comes from `evaluate`; the files lie in `folder`.
    """
    labels = np.array(metrics["scores"]["label"])
    scores = np.array(metrics["scores"]["p_pneumonia"])
    plots: dict[str, Callable[[Axes], None]] = {
        "roc": lambda axes: _roc(axes, labels, scores, metrics),
        "precision_recall": lambda axes: _precision_recall(axes, labels, scores),
        "confusion": lambda axes: _confusion(axes, metrics["confusion"]),
        "reliability": lambda axes: _reliability(axes, labels, scores, metrics),
    }
    for name, draw in plots.items():
        figure = _figure()
        axes = figure.add_subplot()
        axes.set_title(title, fontsize=9)
        draw(axes)
        figure.savefig(folder / f"{name}.png")


def draw_losses(losses: dict[str, list[float]], folder: Path) -> None:
    """Write the loss of each stage over its schedule."""
    figure = _figure(width=4 * max(1, len(losses)))
    for i, (stage, values) in enumerate(losses.items()):
        axes = figure.add_subplot(1, len(losses), i + 1)
        axes.plot(np.linspace(0, 100, len(values)), values)
        axes.set(title=stage, xlabel="% of the stage", ylabel="loss")
    figure.savefig(folder / "loss.png")


def draw_activation(
    inputs: NDArray[np.float32], activation: NDArray[np.float32], titles: list[str], path: Path
) -> None:
    """Write images, float32 (n, 3, 224, 224), overlaid with their class activation maps, (n, 7, 7)."""
    figure = _figure(width=2.2 * len(inputs), height=2.6)
    most = float(np.abs(activation).max())
    for i, (image, cells, title) in enumerate(zip(inputs, activation, titles, strict=True)):
        axes = figure.add_subplot(1, len(inputs), i + 1)
        axes.imshow(image[0], cmap="gray", extent=(0, 7, 7, 0))
        axes.imshow(
            cells, "coolwarm", vmin=-most, vmax=most, alpha=0.4, interpolation="bilinear", extent=(0, 7, 7, 0)
        )
        axes.set_title(title, fontsize=8)
        axes.set_axis_off()
    figure.savefig(path)


def _figure(width: float = 5.0, height: float = 4.5) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _roc_curve(labels: NDArray[np.int64], scores: Curve) -> Curve:
    """Return the sensitivity at each false positive rate of `GRID`."""
    order = np.argsort(-scores)
    hits = labels[order] == 1
    sensitivity = np.concatenate([[0], np.cumsum(hits) / max(1, hits.sum())])
    false = np.concatenate([[0], np.cumsum(~hits) / max(1, (~hits).sum())])
    return np.asarray(np.interp(GRID, false, sensitivity), np.float64)


def _roc(axes: Axes, labels: NDArray[np.int64], scores: Curve, metrics: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    draws = (rng.integers(0, len(labels), len(labels)) for _ in range(500))
    low, high = np.percentile([_roc_curve(labels[rows], scores[rows]) for rows in draws], [2.5, 97.5], axis=0)
    area = metrics["auc"]
    label = f"AUC {area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}]"
    axes.fill_between(GRID, low, high, alpha=0.2, label="95 % of resampled images")
    axes.plot(GRID, _roc_curve(labels, scores), label=label)
    axes.plot(
        1 - metrics["specificity"]["value"],
        metrics["sensitivity"]["value"],
        "o",
        label=f"threshold {metrics['threshold']:g}",
    )
    axes.set(xlabel="1 − specificity", ylabel="sensitivity")
    axes.legend(loc="lower right")


def _precision_recall(axes: Axes, labels: NDArray[np.int64], scores: Curve) -> None:
    hits = labels[np.argsort(-scores)] == 1
    found = np.cumsum(hits)
    axes.plot(found / max(1, hits.sum()), found / np.arange(1, len(hits) + 1))
    axes.axhline(hits.mean(), linestyle=":", label="share of pneumonia")
    axes.set(xlabel="recall (sensitivity)", ylabel="precision", ylim=(0, 1.02))
    axes.legend(loc="lower left")


def _confusion(axes: Axes, counts: dict[str, int]) -> None:
    table = np.array(
        [
            [counts["true negative"], counts["false positive"]],
            [counts["false negative"], counts["true positive"]],
        ]
    )
    axes.imshow(table, cmap="Blues")
    for (row, column), count in np.ndenumerate(table):
        dark = count > table.max() / 2
        axes.text(column, row, str(count), ha="center", va="center", color="white" if dark else "black")
    names = ["Normal", "Pneumonia"]
    axes.set(
        xlabel="answer", ylabel="truth", xticks=[0, 1], yticks=[0, 1], xticklabels=names, yticklabels=names
    )


def _reliability(axes: Axes, labels: NDArray[np.int64], scores: Curve, metrics: dict[str, Any]) -> None:
    bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    filled = counts > 0
    mean_score = np.bincount(bins, scores, BINS)[filled] / counts[filled]
    share = np.bincount(bins, labels, BINS)[filled] / counts[filled]
    error = metrics["calibration"]["after"]["value"]
    axes.plot([0, 1], [0, 1], ":", color="grey")
    axes.scatter(mean_score, share, s=8 + 300 * counts[filled] / counts.sum(), label=f"ECE {error:.3f}")
    axes.set(xlabel="mean P(pneumonia)", ylabel="share of pneumonia")
    axes.legend(loc="lower right")
