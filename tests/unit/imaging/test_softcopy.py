"""Any header that can be decoded gives a grey pipeline that can be written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR

from gateway.imaging.softcopy import softcopy
from gateway.results.explicit_vr import encoded
from tests.unit.imaging.tiny_image import look_up_table, raw, tiny_image

ODD = (
    b"1e99",
    b"-0",
    b"1\\2\\3",
    b"RECTANGULAR\\CIRCULAR\\POLYGONAL",
    b"nan",
    b"5",
    b"0.00000000000012345678",
)
KEYWORDS = (
    *("WindowCenter", "WindowWidth", "VOILUTFunction", "RescaleSlope", "RescaleIntercept", "PixelSpacing"),
    *("PixelAspectRatio", "ShutterShape", "ShutterLeftVerticalEdge", "ShutterRightVerticalEdge"),
    *("ShutterUpperHorizontalEdge", "ShutterLowerHorizontalEdge", "CenterOfCircularShutter"),
    *("RadiusOfCircularShutter", "VerticesOfThePolygonalShutter", "PhotometricInterpretation"),
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), st.binary(max_size=24) | st.sampled_from(ODD)))
def test_a_malformed_attribute_never_raises(values: dict[str, bytes]) -> None:
    source = tiny_image([[0, 255], [7, 9]])
    for keyword, value in values.items():
        raw(source, keyword, dictionary_VR(keyword), value)
    assert encoded(softcopy(source))


def test_a_table_of_12_bits_is_stretched_to_16() -> None:
    source = tiny_image([[0, 255]], VOILUTSequence=[look_up_table(0, 12, [0, 1000, 4095])])
    (table,) = softcopy(source).SoftcopyVOILUTSequence[0].VOILUTSequence
    assert table.LUTDescriptor == [3, 0, 16]
    assert table.LUTData == bytes((0, 0, 0x84, 0x3E, 0xFF, 0xFF))


def test_a_table_of_every_value_of_16_bits_has_the_length_zero() -> None:
    source = tiny_image([[0, 255]], 16, VOILUTSequence=[look_up_table(0, 16, list(range(65536)))])
    (table,) = softcopy(source).SoftcopyVOILUTSequence[0].VOILUTSequence
    assert table.LUTDescriptor == [0, 0, 16]
    assert len(table.LUTData) == 131_072


def test_only_the_shutters_that_are_applied_are_stated() -> None:
    edges = {
        "ShutterLeftVerticalEdge": 1,
        "ShutterRightVerticalEdge": 2,
        "ShutterUpperHorizontalEdge": 1,
        "ShutterLowerHorizontalEdge": 1,
    }
    shutter = {"ShutterShape": ["RECTANGULAR", "CIRCULAR"], **edges}
    state = softcopy(tiny_image([[0, 255], [7, 9]], **shutter))
    assert state.ShutterShape == "RECTANGULAR"
    assert state.ShutterLowerHorizontalEdge == 1


def test_square_pixels_are_stated_where_the_image_has_no_spacing() -> None:
    (area,) = softcopy(tiny_image([[0, 255], [7, 9]])).DisplayedAreaSelectionSequence
    assert area.DisplayedAreaBottomRightHandCorner == [2, 2]
    assert area.PresentationPixelAspectRatio == [1, 1]
