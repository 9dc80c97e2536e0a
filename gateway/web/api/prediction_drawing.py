"""Pictures of an answer for the upload page: the radiograph, small, and the activation map to lay over it."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from gateway.results.activation_overlay import coloured_map
from gateway.worker.predict import Drawing

PICTURE_SIDE, MAP_SIDE = 640, 448


def drawn(drawing: Drawing, *, outlined: bool) -> dict[str, str | None]:
    """Return `picture`, a JPEG, and `map`, a PNG with transparency that spans it; both in base64.

    `map` is None of an abstention. `outlined` draws the lungs, too.
    """
    picture = Image.fromarray((drawing.pixels >> 8).astype(np.uint8))
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE), reducing_gap=2)
    told: dict[str, str | None] = {"picture": _base64(picture, "JPEG"), "map": None}
    if drawing.activation is not None:
        outlines = drawing.outlines if outlined else ()
        coloured = Image.fromarray(coloured_map(drawing.activation, MAP_SIDE, outlines))
        told["map"] = _base64(coloured, "PNG")
    return told


def _base64(picture: Image.Image, form: str) -> str:
    with io.BytesIO() as file:
        picture.save(file, form)
        return base64.b64encode(file.getvalue()).decode("ascii")
