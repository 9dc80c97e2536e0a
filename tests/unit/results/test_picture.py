"""The picture: what is where, and that nothing is stretched, hidden or cut."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from gateway.records import FittedSite, GreyImage, Prediction
from gateway.results.activation_overlay import OUTLINE_COLOUR, colour_scale, map_range, overlay
from gateway.results.answer import site_in_words
from gateway.results.canvas import Box, Canvas, drawable, shortened, wrapped
from gateway.results.colour_map import blended, coloured
from gateway.results.picture import HEIGHT, WIDTH, drawn_site, picture
from tests.support.answers import CROPPED, NOON, NORMAL, PNEUMONIA, UNDETERMINED, answer

LEFT_HALF, RIGHT_HALF = np.s_[64:662, : WIDTH // 2], np.s_[64:662, WIDTH // 2 :]


def draw(given: Prediction, rows: int = 500, columns: int = 400) -> NDArray[np.uint8]:
    """Draw an answer on a radiograph that is white all over: no caption in its half is that bright."""
    grey = GreyImage(np.full((rows, columns), 0xFFFF, np.uint16), ())
    return picture(grey, answer(given), NOON)


def is_grey(pixels: NDArray[np.uint8]) -> bool:
    return bool((pixels == pixels[..., :1]).all())


def extent(shown: NDArray[np.bool_]) -> tuple[int, int]:
    rows, columns = np.nonzero(shown)
    return int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1


@pytest.mark.parametrize("given", [PNEUMONIA, NORMAL, UNDETERMINED])
def test_the_banner_spans_the_picture(given: Prediction) -> None:
    pixels = draw(given)
    assert pixels.shape == (HEIGHT, WIDTH, 3)
    assert (pixels[5, :] == (255, 176, 0)).all()
    assert (pixels[16:46, 240:1040] == 0).all(axis=-1).any(axis=0).mean() > 0.5


@pytest.mark.parametrize(("rows", "columns"), [(2500, 2048), (2048, 2500), (3000, 300), (300, 3000), (7, 5)])
def test_the_radiograph_keeps_its_shape(rows: int, columns: int) -> None:
    pixels = draw(PNEUMONIA, rows, columns)
    height, width = extent((pixels[LEFT_HALF] == 0xFF).all(axis=-1))
    assert height / width == pytest.approx(rows / columns, rel=0.02)
    assert height == 552 or width == 610


def test_the_map_colours_one_copy_and_leaves_the_other_alone() -> None:
    pixels = draw(PNEUMONIA)
    assert is_grey(pixels[LEFT_HALF])
    assert not is_grey(pixels[RIGHT_HALF])


def test_the_outline_of_the_lungs_is_drawn_where_it_is_asked_for() -> None:
    grey = GreyImage(np.full((500, 400), 0xFFFF, np.uint16), ())
    plain, outlined = (
        picture(grey, answer(CROPPED), NOON, lung_outline=asked).astype(int) for asked in (False, True)
    )
    assert (plain == draw(CROPPED)).all()
    rows, columns = np.nonzero((plain != outlined).any(axis=-1))
    radiograph = (plain[LEFT_HALF] == 0xFF).all(axis=-1)
    shown_rows, shown_columns = np.nonzero(radiograph)
    top, height = shown_rows.min() + 64, np.ptp(shown_rows) + 1
    left, width = shown_columns.min(), np.ptp(shown_columns) + 1
    assert (rows.min() - top) / height == pytest.approx(0.2, abs=0.01)
    assert (columns.max() - left) / width == pytest.approx(0.85, abs=0.01)
    assert (outlined[rows, columns] == OUTLINE_COLOUR).all()


def test_an_abstention_shows_no_map() -> None:
    pixels = draw(UNDETERMINED)
    assert is_grey(pixels[64:, WIDTH // 2 :])
    assert pixels[RIGHT_HALF].any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_broken_map_does_not_break_the_picture(value: float) -> None:
    assert draw(replace(PNEUMONIA, activation=np.full((7, 7), value, np.float32))).any()


def test_a_silent_map_leaves_the_radiograph_unchanged() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (overlay(grey, np.full((7, 7), 0.5, np.float32)) == grey[..., None]).all()


def test_orange_speaks_for_pneumonia_and_blue_against() -> None:
    activation = np.zeros((7, 7), np.float32)
    activation[:, 0], activation[:, 6] = 9, -9
    red, _, blue = np.moveaxis(overlay(np.full((70, 70), 90, np.uint8), activation).astype(int), -1, 0)
    assert (red - blue)[35, 5] > 50
    assert (blue - red)[35, 65] > 25
    assert (red - blue)[35, 35] == 0


def test_colours_grow_lighter_and_stronger_away_from_zero() -> None:
    weights = np.array([0.2126, 0.7152, 0.0722])
    lightness = (colour_scale(1, 255)[0] / 255) ** 2.2 @ weights
    for arm in (lightness[255 // 2 + 40 :], lightness[: 255 // 2 - 40][::-1]):
        assert arm[-1] > arm[0]
        assert (np.diff(arm) > -0.005).all()


@pytest.mark.parametrize(
    ("largest", "expected"), [(0, 4), (3.9, 4), (4.1, 5), (10.3, 12), (17, 20), (99, 100)]
)
def test_the_scale_ends_at_a_round_number(largest: float, expected: float) -> None:
    assert map_range(np.array([[-largest, 0]], np.float32)) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text", ["one two three " * 30, "x" * 400, "", "a " * 500, "Größe ≥ 5 × 3 — naïve", "山田太郎"]
)
def test_text_stays_in_its_box(text: str) -> None:
    canvas = Canvas(400, 200)
    canvas.paragraph(Box(50, 40, 300, 100), text, 24, (255, 255, 255))
    ink = canvas.pixels.any(axis=-1)
    ink[40:140, 48:352] = False
    assert not ink.any()


def test_what_does_not_fit_ends_in_dots() -> None:
    lines = wrapped("several words that go on and on " * 5, 200, 24, max_lines=2)
    assert len(lines) == 2
    assert lines[-1].endswith("...")
    assert shortened("fits", 200, 24) == "fits"


def test_letters_that_the_font_lacks_are_replaced() -> None:
    assert drawable("Größe ≥ 5 – naïve") == "Gro?e >= 5 - naive"


@pytest.mark.parametrize("anchor", ["la", "ms", "rs", "mm"])
@pytest.mark.parametrize("bold", [False, True])
def test_a_line_has_the_pixels_that_pillow_draws(anchor: str, bold: bool) -> None:
    canvas, drawn = Canvas(400, 200), Image.new("RGB", (400, 200))
    canvas.fill(Box(0, 0, 300, 90), (255, 176, 0))
    draw = ImageDraw.Draw(drawn)
    draw.rectangle((0, 0, 299, 89), (255, 176, 0))
    for _ in range(2):  # over itself, the second time from memory
        canvas.line(200, 95, "Pneumonia: 87.5 %", 38, (150, 210, 245), bold=bold, anchor=anchor)
        font = ImageFont.load_default(38)
        draw.text((200, 95), "Pneumonia: 87.5 %", (150, 210, 245), font, anchor, stroke_width=int(bold))
    assert np.array_equal(canvas.pixels, np.asarray(drawn))


def test_the_map_is_laid_over_by_its_opacity() -> None:
    grey = np.random.default_rng(1).integers(0, 256, (16, 16), np.uint8)
    level = np.arange(256, dtype=np.uint8).reshape(16, 16)
    colours = coloured(level).astype(float)
    share = colours[..., 3:] / 255
    expected = grey[..., None] * (1 - share) + colours[..., :3] * share
    assert np.abs(blended(grey, Image.fromarray(level)) - expected).max() <= 0.5


@pytest.mark.parametrize("shape", [(2500, 2048), (301, 203), (3, 2)])
def test_the_radiograph_is_shown_by_the_upper_eight_of_its_bits(shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(2).integers(0, 65536, shape, np.uint16)
    coarse = (pixels >> 8).astype(np.uint16) << 8
    shown = [picture(GreyImage(each, ()), answer(UNDETERMINED), NOON) for each in (pixels, coarse)]
    assert np.array_equal(*shown)


def test_a_line_says_to_which_site_the_model_is_fitted() -> None:
    site = FittedSite("St. Elsewhere", "2026-05-17", "ab" * 32)
    fitted = replace(PNEUMONIA, model=replace(PNEUMONIA.model, site=site))
    rows = np.nonzero((draw(PNEUMONIA) != draw(fitted)).any(axis=(1, 2)))[0]
    assert 840 < rows.min() < rows.max() < HEIGHT - 8
    assert site_in_words(PNEUMONIA.model) == "Not fitted to this site"
    assert site_in_words(fitted.model) == "Fitted to St. Elsewhere, 2026-05-17"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("Klinikum Söhne?", "Fitted to Klinikum Söhne?, 2026-05-17"),
        ("東京 Clinic", "Fitted by profile abababababab, 2026-05-17"),
    ],
)
def test_a_site_that_the_font_cannot_write_is_named_by_its_profile(name: str, line: str) -> None:
    site = FittedSite(name, "2026-05-17", "ab" * 32)
    assert drawn_site(replace(PNEUMONIA.model, site=site)) == line
