"""Any header and any window: properties that hold for every image."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import Reject
from gateway.imaging.decode import decode
from gateway.records import GreyImage
from tests.unit.imaging.tiny_image import raw, tiny_image

finite = st.floats(-1e5, 1e5)
FUNCTIONS = st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"])


@settings(max_examples=60)
@given(
    center=finite, width=st.floats(1, 1e5), slope=st.floats(0.01, 100), intercept=finite, function=FUNCTIONS
)
def test_brighter_stays_brighter_and_monochrome1_is_the_inverse(
    center: float, width: float, slope: float, intercept: float, function: str
) -> None:
    attributes = {
        "WindowCenter": f"{center:.6g}",
        "WindowWidth": f"{width:.6g}",
        "VOILUTFunction": function,
        "RescaleSlope": f"{slope:.6g}",
        "RescaleIntercept": f"{intercept:.6g}",
    }
    values = np.arange(-2048, 2048, 7)
    shown = decode(tiny_image(values, 12, signed=True, **attributes)).pixels.astype(int)
    inverse = decode(
        tiny_image(values, 12, signed=True, PhotometricInterpretation="MONOCHROME1", **attributes)
    )
    assert (np.diff(shown) >= 0).all()
    assert np.abs(shown + inverse.pixels - 65535).max() <= 1


KEYWORDS = [
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "ModalityLUTSequence",
    "RescaleSlope",
    "RescaleIntercept",
    "PresentationLUTShape",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "PixelAspectRatio",
    "ShutterShape",
    "ShutterLeftVerticalEdge",
    "CenterOfCircularShutter",
    "RadiusOfCircularShutter",
    "VerticesOfThePolygonalShutter",
    "CollimatorShape",
    "PixelData",
]
VALUES = st.one_of(
    st.binary(max_size=24),
    st.sampled_from(
        [b"1e30\\-1e30", b"nan", b"inf", b"1e-320", b"9" * 16, b"-1", b"0", b"\\\\", b" ", b"1,5"]
    ),
    st.sampled_from([b"CIRCULAR", b"POLYGONAL\\RECTANGULAR", b"SIGMOID", b"LINEAR_EXACT", b"MONOCHROME1"]),
)
VRS = st.sampled_from(
    [None, "US", "SS", "UL", "FD", "FL", "DS", "IS", "CS", "LO", "OW", "OB", "UN", "SQ", "PN"]
)
JUNK = st.lists(st.tuples(st.sampled_from(KEYWORDS), VRS, VALUES), min_size=1, max_size=6)


@settings(max_examples=400)
@given(JUNK)
def test_junk_in_the_header_is_a_picture_or_a_reject(junk: list[tuple[str, str | None, bytes]]) -> None:
    ds = tiny_image(
        np.arange(16).reshape(4, 4), 12, WindowCenter="8", WindowWidth="9", ShutterShape="CIRCULAR"
    )
    for keyword, vr, value in junk:
        raw(ds, keyword, vr, value)
    try:
        outcome = decode(ds)
    except Reject:
        return
    assert isinstance(outcome, GreyImage)
    assert outcome.pixels.dtype == np.uint16
