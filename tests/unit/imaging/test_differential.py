"""Random codings against a second implementation, written from PS3.3 C.11 (`reference.py`)."""

from __future__ import annotations

import random

import numpy as np
import pytest
from pydicom.dataset import Dataset

from gateway.imaging.decode import decode
from tests.unit.imaging.reference import Coding, Table, number, shown
from tests.unit.imaging.tiny_image import look_up_table, raw, tiny_image

BATCHES, OF_EACH = 20, 100
PIXELS = 60


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_codings_look_as_the_standard_says(batch: int) -> None:
    for seed in range(batch * OF_EACH, (batch + 1) * OF_EACH):
        coding = random_coding(random.Random(seed))  # noqa: S311 - not for secrets
        image = decode(image_of(coding))
        off = np.abs(image.pixels.ravel() - np.array(shown(coding)) * 65535).max()
        assert off <= 1, f"coding {seed} is off by {off:.1f} of 65535: {'; '.join(image.steps)}"


def random_coding(rng: random.Random) -> Coding:
    bits = rng.choice([6, 7, 8, 8, 8, 10, 12, 12, 14, 16])
    allocated = 8 if bits <= 8 and rng.random() < 0.8 else 16
    signed = rng.random() < 0.3
    lowest = -(1 << (bits - 1)) if signed else 0
    low = lowest + rng.randrange(max(1, (1 << bits) // 3))
    high = min(lowest + (1 << bits) - 1, low + rng.randint((1 << bits) // 8, 1 << bits))
    stored = tuple(rng.randint(low, high) for _ in range(PIXELS))
    slope, intercept, modality = random_modality(rng, low, high)
    values = [table(v) for v in (low, high) for table in modality if table.usable] or [
        v * number(slope, 1.0) + number(intercept, 0.0) for v in (low, high)
    ]
    ends = (lowest, lowest + (1 << bits) - 1)
    negative = not modality and min(end * number(slope, 1.0) + number(intercept, 0.0) for end in ends) < 0
    centers, widths, function, voi = random_voi(rng, min(values), max(values), negative)
    high_bit = bits - 1 if signed or rng.random() < 0.7 else rng.randint(bits - 1, allocated - 1)
    return Coding(
        stored=stored,
        bits=bits,
        signed=signed,
        inverted=rng.random() < 0.4,
        high_bit=high_bit,
        slope=slope,
        intercept=intercept,
        modality_tables=modality,
        voi_tables=voi,
        centers=centers,
        widths=widths,
        function=function,
        padding=random_padding(rng, stored),
        beside=tuple(rng.getrandbits(allocated) for _ in stored) if rng.random() < 0.3 else (),
        allocated=allocated,
    )


def random_modality(rng: random.Random, low: int, high: int) -> tuple[str, str, tuple[Table, ...]]:
    if rng.random() < 0.25:
        return "", "", random_tables(rng, low, high)
    slope = rng.choice(["", "", "1", "2", "0.25", "-1", f"{rng.uniform(0.01, 9):.6g}", "1,5", "1_000"])
    intercept = rng.choice(["", "0", "-1024", f"{rng.uniform(-3000, 3000):.6g}", "NaN", "30000"])
    return slope, intercept, ()


def random_tables(rng: random.Random, low: int, high: int) -> tuple[Table, ...]:
    """Return tables that rise or fall: the last honest, or lying in a way that can be repaired."""
    span = high - low + 1
    length = rng.choice([span, min(span, 4096), max(16, span // 2), 256])
    bits = rng.randint(6, 16)
    curve = sorted(rng.randrange(1 << bits) for _ in range(24))
    entries = np.interp(np.linspace(0, 23, length), range(24), curve).astype(int).tolist()
    if rng.random() < 0.3:
        entries.reverse()
    promised_length, promised_bits = length, bits
    lie = rng.choice(
        ["none", "none", "bits", "few bits", "one short", "one more", "many more", "broken first"]
    )
    if lie == "bits":
        promised_bits = rng.randint(bits, 16)
    elif lie == "few bits":
        promised_bits = rng.randint(9, 16) if bits > 8 else bits
    elif lie == "one short" and length > 16:
        promised_length = length + 1
    elif lie == "one more":
        entries.append(0)
    elif lie == "many more":
        promised_length = max(1, length // 2)
    packed = (
        promised_bits <= 8 and max(entries) < 256 and promised_length == len(entries) and rng.random() < 0.5
    )
    table = Table(promised_length, low, promised_bits, tuple(entries), packed)
    broken = Table(4096, low, 12, (0, 1, 2))
    return (broken, table) if lie == "broken first" else (table,)


def random_voi(
    rng: random.Random, low: float, high: float, negative: bool
) -> tuple[tuple[str, ...], tuple[str, ...], str, tuple[Table, ...]]:
    kind = rng.choice(["none", "window", "window", "table", "both"])
    tables: tuple[Table, ...] = ()
    if kind in ("table", "both"):
        first = min(max(round(low), -32768 if negative else 0), 32767 if negative else 65535)
        last = min(max(round(high), first + 15), first + 65535)
        tables = random_tables(rng, first, last)
    if kind not in ("window", "both"):
        return (), (), "", tables
    function = rng.choice(["", "LINEAR", "LINEAR_EXACT", "SIGMOID"])
    span = max(high - low, 2.0)
    center = f"{rng.uniform(low, high):.7g}"
    width = f"{max(span * rng.uniform(0.05, 2), 1):.7g}"
    centers, widths = [center], [width]
    for before in rng.choice(
        [[], [], [("1500", "SOFT")], [("", "1500")], [("9", "0"), ("x", "2")], [("9", "")]]
    ):
        centers.insert(0, before[0])
        widths.insert(0, before[1])
    if rng.random() < 0.3:
        centers.append("77")
        widths.append("33")
    return tuple(centers), tuple(widths), function, tables


def random_padding(rng: random.Random, stored: tuple[int, ...]) -> tuple[int, int] | None:
    if rng.random() < 0.6:
        return None
    within = rng.randrange(1 + (max(stored) - min(stored)) // 6)
    return rng.choice([(min(stored), min(stored) + within), (max(stored), max(stored) - within)])


def image_of(coding: Coding) -> Dataset:
    ds = tiny_image(cells_of(coding), coding.allocated, HighBit=coding.high_bit, BitsStored=coding.bits)
    ds.BitsAllocated = coding.allocated
    ds.PixelRepresentation = int(coding.signed)
    ds.PhotometricInterpretation = "MONOCHROME1" if coding.inverted else "MONOCHROME2"
    texts = {
        "RescaleSlope": coding.slope,
        "RescaleIntercept": coding.intercept,
        "WindowCenter": "\\".join(coding.centers),
        "WindowWidth": "\\".join(coding.widths),
        "VOILUTFunction": coding.function,
    }
    for keyword, text in texts.items():
        if text:
            raw(ds, keyword, "CS" if keyword == "VOILUTFunction" else "DS", text.encode())
    for keyword, tables in (
        ("ModalityLUTSequence", coding.modality_tables),
        ("VOILUTSequence", coding.voi_tables),
    ):
        if tables:
            setattr(ds, keyword, [item_of(table) for table in tables])
    if coding.padding:
        vr = "SS" if coding.signed else "US"
        ds.add_new("PixelPaddingValue", vr, coding.padding[0])
        ds.add_new("PixelPaddingRangeLimit", vr, coding.padding[1])
    return ds


def cells_of(coding: Coding) -> np.ndarray:
    """Return the pixel cells: the values' bits where High Bit says, and other bits beside them."""
    shift = coding.high_bit + 1 - coding.bits
    mask = ((1 << coding.bits) - 1) << shift
    values = np.array(coding.stored, np.int64) << shift & mask
    beside = np.array(coding.beside or [0] * len(values), np.int64) & ~mask
    return ((values | beside) & ((1 << coding.allocated) - 1)).reshape(6, -1)


def item_of(table: Table) -> Dataset:
    item = look_up_table(table.first, table.bits, list(table.entries), packed=table.packed)
    item.LUTDescriptor = [table.length & 0xFFFF, table.first, table.bits]
    return item
