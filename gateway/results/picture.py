"""Draws the image of the Secondary Capture: radiograph, activation map with scale, and answer."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gateway.records import GreyImage, Lungs, ModelIdentity, Prediction, Presence
from gateway.results.activation_overlay import OUTLINE_COLOUR, colour_scale, map_range, overlay
from gateway.results.answer import RESEARCH_BANNER, Answer, score_in_words, site_in_words
from gateway.results.canvas import Box, Canvas, Colour, drawable

WIDTH, HEIGHT = 1280, 880  # every PACS takes it uncompressed, as 3.4 MB
MARGIN = 20
SMALL, MEDIUM, LARGE = 20, 24, 48  # type sizes; 20 of 880 is still read when shown 800 high

_COLUMN = (WIDTH - 3 * MARGIN) // 2
_BANNER = Box(0, 0, WIDTH, 62)
_LEFT = Box(MARGIN, 106, _COLUMN, 552)
_RIGHT = Box(2 * MARGIN + _COLUMN, 106, _COLUMN, 552)
_BELOW_LEFT = Box(_LEFT.left, 676, _COLUMN, 190)
_BELOW_RIGHT = Box(_RIGHT.left, 676, _COLUMN, 190)

_WHITE: Colour = (255, 255, 255)
_GREY: Colour = (190, 190, 190)
_DARK_GREY: Colour = (70, 70, 70)
_AMBER: Colour = (255, 176, 0)
_ANSWER_COLOUR: dict[Presence, Colour] = {
    Presence.PRESENT: (255, 152, 60),
    Presence.ABSENT: (150, 210, 245),
    Presence.UNDETERMINED: _WHITE,
}


def picture(
    grey: GreyImage, answer: Answer, when: datetime, *, lung_outline: bool = False
) -> NDArray[np.uint8]:
    """Draw the answer; no patient's identity is in it.

    Parameters
    ----------
    grey
        The radiograph.
    answer
        What is said about it. An abstention is drawn with its reason and without a map.
    when
        Date and time to show, aware.
    lung_outline
        Whether the lungs that the model found are outlined on the radiograph.

    Returns
    -------
    uint8, shape (880, 1280, 3), RGB.
    """
    canvas = Canvas(WIDTH, HEIGHT)
    _banner(canvas)
    _panels(canvas, grey, answer, lung_outline=lung_outline)
    _answer(canvas, answer)
    _provenance(canvas, answer, when)
    return canvas.pixels


def panels(grey: GreyImage, answer: Answer, *, lung_outline: bool = False) -> NDArray[np.uint8]:
    """Draw the picture without its banner and its provenance, for a page that has both as text.

    uint8, shape (806, 1280, 3), RGB.
    """
    canvas = Canvas(WIDTH, HEIGHT)
    _panels(canvas, grey, answer, lung_outline=lung_outline)
    _answer(canvas, answer)
    return canvas.pixels[_BANNER.height + 4 : -8]


def _panels(canvas: Canvas, grey: GreyImage, answer: Answer, *, lung_outline: bool) -> None:
    place = _LEFT.fitted(*grey.pixels.shape)
    radiograph = _reduced(grey.pixels, place)
    _panel(canvas, place, "Radiograph", radiograph)
    if lung_outline and isinstance(answer.prediction.region, Lungs):
        for outline in answer.prediction.region.outlines:
            canvas.outline(place, outline, OUTLINE_COLOUR)
    if answer.prediction.score is None:
        _abstention(canvas, answer.prediction.reason or "")
    else:
        _activation(canvas, radiograph, answer.prediction)


def _banner(canvas: Canvas) -> None:
    canvas.fill(_BANNER, _AMBER)
    canvas.line(WIDTH // 2, _BANNER.height // 2, RESEARCH_BANNER, 38, (0, 0, 0), bold=True, anchor="mm")


def _reduced(pixels: NDArray[np.uint16], place: Box) -> NDArray[np.uint8]:
    """Return the radiograph in 8 bits at the size at which it is shown."""
    rows, columns = pixels.shape
    image = Image.frombuffer("L", (columns, rows), np.ascontiguousarray(pixels, "<u2"), "raw", "L;16", 0, 1)
    return np.asarray(image.resize((place.width, place.height), Image.Resampling.BICUBIC, reducing_gap=1))


def _panel(canvas: Canvas, place: Box, caption: str, pixels: NDArray[np.uint8]) -> None:
    canvas.line(place.left + place.width // 2, place.top - 11, caption, SMALL, _GREY, anchor="ms")
    canvas.paste(place, pixels)


def _activation(canvas: Canvas, radiograph: NDArray[np.uint8], prediction: Prediction) -> None:
    place = _RIGHT.fitted(*radiograph.shape)
    _panel(canvas, place, "Radiograph with class activation map", overlay(radiograph, prediction.activation))
    _scale(canvas, map_range(prediction.activation), prediction.model.finding.in_sentence)


def _scale(canvas: Canvas, limit: float, finding: str) -> None:
    bar = Box(_BELOW_RIGHT.left + 36, _BELOW_RIGHT.top + 32, _BELOW_RIGHT.width - 72, 24)
    canvas.paste(bar, colour_scale(bar.height, bar.width))
    canvas.frame(bar, _DARK_GREY)
    canvas.line(bar.left, bar.top - 8, f"against {finding}", SMALL, _GREY, anchor="ls")
    canvas.line(bar.left + bar.width, bar.top - 8, f"for {finding}", SMALL, _GREY, anchor="rs")
    for position in (-1, -0.5, 0, 0.5, 1):
        x = bar.left + round((position + 1) / 2 * (bar.width - 1))
        canvas.fill(Box(x, bar.top + bar.height, 2, 6), _GREY)
        tick = f"{position * limit:+.3g}" if position else "0"
        canvas.line(x, bar.top + bar.height + 9, tick, SMALL, _WHITE, anchor="ma")
    canvas.paragraph(
        Box(bar.left, bar.top + 68, bar.width, 84),
        f"Log-odds of {finding} by region; their mean and a constant make the score. "
        "It shows what moved the model, not the outline of a finding.",
        SMALL,
        _GREY,
    )


def _abstention(canvas: Canvas, reason: str) -> None:
    canvas.frame(_RIGHT, _DARK_GREY)
    inside = Box(_RIGHT.left + 48, _RIGHT.top + 160, _RIGHT.width - 96, _RIGHT.height - 208)
    canvas.line(inside.left, inside.top - 56, "No answer, no activation map", MEDIUM, _WHITE, bold=True)
    canvas.paragraph(inside, reason, MEDIUM, _GREY)


def _answer(canvas: Canvas, answer: Answer) -> None:
    prediction = answer.prediction
    words = f"{prediction.model.finding.meaning}: {prediction.presence}"
    canvas.line(
        _BELOW_LEFT.left, _BELOW_LEFT.top, words, LARGE, _ANSWER_COLOUR[prediction.presence], bold=True
    )
    sentence = f"{score_in_words(prediction).capitalize()}."
    below = Box(_BELOW_LEFT.left, _BELOW_LEFT.top + 56, _BELOW_LEFT.width, 66)
    canvas.paragraph(below, sentence, MEDIUM, _WHITE)


def drawn_site(model: ModelIdentity) -> str:
    """Return the site by name, or by its profile where the font lacks letters of the name."""
    words = site_in_words(model)
    if model.site is None or drawable(words).count("?") == words.count("?"):
        return words
    return f"Fitted by profile {model.site.sha256[:12]}, {model.site.made}"


def _provenance(canvas: Canvas, answer: Answer, when: datetime) -> None:
    model = answer.model
    lines = (
        f"Weights {model.weights_sha256[:12]}, {model.name} {model.version}",
        f"{when.isoformat(' ', 'seconds')}, CXR Gateway {answer.software_version}",
        drawn_site(model),
    )
    for number, line in enumerate(lines):
        top = _BELOW_LEFT.top + 122 + number * 25
        canvas.paragraph(Box(_BELOW_LEFT.left, top, _BELOW_LEFT.width, 25), line, SMALL, _GREY)
