"""Draws the contact sheet preview.png of the samples as displayed by a viewer. `generate` calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pydicom import dcmread
from pydicom.pixels.processing import apply_voi_lut

from sample_dicoms.codings import PADDING

WIDTH, HEIGHT, CAPTION, COLUMNS = 240, 232, 14, 4


def contact_sheet(files: list[Path]) -> Image.Image:
    """Return the images of complete files side by side, each above its name."""
    rows = -(-len(files) // COLUMNS)
    sheet = Image.new("L", (COLUMNS * WIDTH, rows * (HEIGHT + CAPTION)))
    draw = ImageDraw.Draw(sheet)
    for number, file in enumerate(files):
        x, y = number % COLUMNS * WIDTH, number // COLUMNS * (HEIGHT + CAPTION)
        thumbnail = Image.fromarray(shown(file))
        thumbnail.thumbnail((WIDTH - 4, HEIGHT - 4))
        sheet.paste(thumbnail, (x + (WIDTH - thumbnail.width) // 2, y + (HEIGHT - thumbnail.height) // 2))
        draw.text((x + WIDTH // 2, y + HEIGHT), file.name, fill=255, anchor="ma")
    return sheet


def shown(file: Path) -> NDArray[np.uint8]:
    """Return the displayed image, uint8, 0 black to 255 white, shape (rows, columns)."""
    ds = dcmread(file)
    stored = ds.pixel_array
    grey = apply_voi_lut(stored, ds).astype(np.float64)
    if "WindowWidth" not in ds and "VOILUTSequence" not in ds:
        grey *= 4095 / stored.max()
    if ds.PhotometricInterpretation == "MONOCHROME1":
        grey = 4095 - grey
    if "PixelPaddingValue" in ds:
        grey[stored == PADDING] = 0
    return np.clip(grey / 4095 * 255, 0, 255).astype(np.uint8)
