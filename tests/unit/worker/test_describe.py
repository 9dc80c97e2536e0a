"""What people look for an image by: readable, on one line, fit for the ledger."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from gateway.worker.describe import describe
from tests.unit.imaging.tiny_image import raw


@pytest.mark.parametrize(
    ("character_set", "description", "shown"),
    [
        (b"ISO_IR 100", "Thorax latéral".encode("latin-1"), "Thorax latéral"),
        (b"ISO_IR 100", "Tórax".encode(), "Tórax"),
        (b"ISO_IR 192", b"Thorax\tp.a.\r\n", "Thorax p.a."),
        (b"ISO_IR 192", b"a\x00b\x1b[31m", "a\\x00b\\x1b[31m"),
        (b"nonsense", b"\x81\x8d\xff", "\\x81\\x8dÿ"),
        (b"", b"T" * 99, "T" * 63 + "…"),
    ],
)
def test_a_study_description_is_readable(character_set: bytes, description: bytes, shown: str) -> None:
    ds = raw(Dataset(), "StudyDescription", "LO", description)
    assert describe(raw(ds, "SpecificCharacterSet", "CS", character_set)).study_description == shown


@pytest.mark.parametrize("maker", [b"Acme", b"ACME"])
def test_a_scanner_is_named_once_in_whichever_capitals(maker: bytes) -> None:
    ds = raw(raw(Dataset(), "Manufacturer", "LO", maker), "ManufacturerModelName", "LO", b"Acme DX 1")
    assert describe(ds).scanner == "Acme DX 1"
