"""Writes MODEL_CARD.md: the card and its figures as a document. `publish` calls it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.model.card import ModelCard

FIGURES = (
    *("accuracy", "precision", "sensitivity", "specificity", "f1", "auc"),
    *("specificity at sensitivity 0.85", "specificity at sensitivity 0.9"),
    *("specificity at sensitivity 0.95", "specificity at sensitivity 0.97"),
)


def model_card(
    card: ModelCard, metrics: dict[str, Any], refused: dict[str, float], procedure: str, limits: str
) -> str:
    """Return the text of MODEL_CARD.md.

    Parameters
    ----------
    metrics
        Data set → figures of `evaluate`.
    refused
        Kind of out-of-distribution negative → share without an answer, 0–1.
    procedure, limits
        Texts of the recipe.
    """
    parts = [
        f"# {card.name} {card.version}",
        card.intended_use,
        "## Model",
        "\n".join(_model(card)),
        "## Data",
        "\n".join(f"- **{d.name}**: {d.images}. Licence: {d.licence}. {d.citation}." for d in card.data),
        card.licence,
        "## Procedure",
        procedure,
        "## Figures",
        "Value and 95 % interval over resampled images, at the threshold above. "
        "Images that the model would abstain on are counted by their score.",
        "\n".join(_figures(metrics)),
        *(block for name, of in metrics.items() for block in _details(name, of)),
        *_abstention(refused),
        "## Limits",
        limits,
    ]
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def _abstention(refused: dict[str, float]) -> Iterator[str]:
    if refused:
        yield "### Images that are not frontal chest radiographs"
        yield (
            "Share that gets no answer, by kind; made from images never trained on, computed, or real "
            "images of patients kept apart. The detector was fitted to images of the same kinds, made from "
            "training images or of other patients. Frontal chests among the real images should get an answer."
        )
        rows = (f"| {kind} | {share:.2f} |" for kind, share in refused.items())
        yield "\n".join(["| kind | no answer |", "|---|---|", *rows])


def _model(card: ModelCard) -> Iterator[str]:
    yield "- torchvision ResNet-50 with two outputs (Normal, Pneumonia), one forward pass at 3 × 224 × 224"
    yield f"- weights `{card.weights.file}`, SHA-256 `{card.weights.sha256}`"
    yield (
        "- grey, black margins cut off, squashed to a square, contrast raised where faint, three channels; "
        f"mean {card.input.mean:g}, std {card.input.std:g}"
    )
    if card.lungs:
        yield (
            f"- cropped to the {card.lungs.region} of the lungs with a margin of {card.lungs.margin:.0%}, "
            f"found by a U-Net (`{card.lungs.file}`, SHA-256 `{card.lungs.sha256}`); whole where its mask is "
            "not convincing, no answer where no lungs are found"
        )
    yield f"- threshold {card.threshold:g}; calibration: {card.calibration}"
    if card.abstention:
        yield (
            "- abstains (Undetermined) from a squared Mahalanobis distance per dimension of "
            f"{card.abstention.distance:g} (Lee et al. 2018), or an outlier score of "
            f"{card.abstention.outlier:g} (outlier exposure, Hendrycks et al. 2019)"
        )


def _figures(metrics: dict[str, Any]) -> Iterator[str]:
    yield "| | " + " | ".join(f"{name} ({of['images']} images)" for name, of in metrics.items()) + " |"
    yield "|---" * (len(metrics) + 1) + "|"
    for figure in FIGURES:
        yield f"| {figure} | " + " | ".join(_estimate(of[figure]) for of in metrics.values()) + " |"
    yield "| ECE | " + " | ".join(_estimate(of["calibration"]["after"]) for of in metrics.values()) + " |"


def _estimate(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.3f} [{estimate['low']:.3f}, {estimate['high']:.3f}]"


def _details(name: str, of: dict[str, Any]) -> Iterator[str]:
    calibration, occlusion, counts = of["calibration"], of["occlusion"], of["confusion"]
    lines = [
        ", ".join(f"{count} {kind}" for kind, count in counts.items()),
        f"expected calibration error {calibration['before']['value']:.3f} before calibration, "
        f"{calibration['after']['value']:.3f} after; were the model perfect: {calibration['floor']:.3f}",
        f"hiding the hottest tenth of the activation map moves the log-odds by "
        f"{occlusion['hottest tenth']:.2f} on average, a random tenth by {occlusion['random tenth']:.2f}",
        *(f"{group}: {g['accuracy']:.3f} of {g['images']} right" for group, g in of["subgroups"].items()),
    ]
    if told := [f"{name} {value:.2f}" for name, value in of["baselines"].items() if value is not None]:
        lines.append(f"AUC of what shows no disease, by cross-validation: {', '.join(told)}")
    if of["abstained"] is not None:
        lines.append(f"would abstain on {of['abstained']:.1%} of these frontal chest radiographs")
    yield f"### {name}"
    yield "\n".join(f"- {line}" for line in lines)
