"""Captures whose pixels are compressed without loss, as pydicom reads them."""

from io import BytesIO
from typing import get_args

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from gateway.records import GreyImage
from gateway.results.kinds import build_results
from gateway.results.result import AnsweredImage, Compression, ResultRules
from gateway.results.secondary_capture import secondary_capture
from gateway.results.source_header import source_header
from gateway.settings import Settings
from gateway.worker.answering import answering_of
from tests.support.answers import MODEL, answer
from tests.support.sources import dx

NOISE = np.random.default_rng(18).integers(0, 65535, (600, 500), np.uint16)
IMAGE = AnsweredImage(source_header(dx()), GreyImage(NOISE, ()), answer())
SYNTAX = {
    "none": (ExplicitVRLittleEndian, "RGB"),
    "jpeg-ls": (JPEGLSLossless, "RGB"),
    "jpeg-2000": (JPEG2000Lossless, "YBR_RCT"),
    "rle": (RLELossless, "RGB"),
}


def capture_in(compression: Compression) -> bytes:
    _, capture = build_results(IMAGE, ResultRules(compression=compression))
    return capture.content


@pytest.mark.parametrize("compression", get_args(Compression))
def test_a_compressed_capture_has_the_same_pixels(compression: Compression) -> None:
    capture = dcmread(BytesIO(capture_in(compression)))
    assert (capture.file_meta.TransferSyntaxUID, capture.PhotometricInterpretation) == SYNTAX[compression]
    expected = secondary_capture(IMAGE.source, IMAGE.grey, IMAGE.answer)
    assert capture.pixel_array.tobytes() == expected.PixelData


@pytest.mark.parametrize("compression", get_args(Compression))
def test_the_same_capture_has_the_same_bytes(compression: Compression) -> None:
    assert capture_in(compression) == capture_in(compression)


def test_compression_is_part_of_the_configuration() -> None:
    by_name = {name: Settings(results={"compression": name}) for name in get_args(Compression)}
    answering = {name: answering_of(settings, MODEL) for name, settings in by_name.items()}
    assert "compression" not in answering["none"]
    assert len({str(each) for each in answering.values()}) == len(SYNTAX)
