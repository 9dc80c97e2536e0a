"""Shutters (PS3.3 C.7.6.11): the hidden part is black. Collimators (C.8.7.3) hide nothing."""

from typing import Any

import numpy as np
import pytest

from gateway.imaging.decode import decode
from tests.unit.imaging.tiny_image import tiny_image

SHUTTERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "rectangular": (
        {
            "ShutterShape": "RECTANGULAR",
            "ShutterUpperHorizontalEdge": 2,
            "ShutterLowerHorizontalEdge": 3,
            "ShutterLeftVerticalEdge": 2,
            "ShutterRightVerticalEdge": 5,
        },
        [".....", ".####", ".####", ".....", "....."],
    ),
    "circular": (
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [3, 3], "RadiusOfCircularShutter": 2},
        ["..#..", ".###.", "#####", ".###.", "..#.."],
    ),
    "polygonal": (
        {"ShutterShape": "POLYGONAL", "VerticesOfThePolygonalShutter": [1, 1, 1, 5, 5, 1]},
        ["#####", "####.", "###..", "##...", "#...."],
    ),
    "rectangular and circular": (
        {
            "ShutterShape": ["RECTANGULAR", "CIRCULAR"],
            "ShutterUpperHorizontalEdge": 3,
            "ShutterLowerHorizontalEdge": 9,
            "ShutterLeftVerticalEdge": -4,
            "ShutterRightVerticalEdge": 9,
            "CenterOfCircularShutter": [3, 3],
            "RadiusOfCircularShutter": 2,
        },
        [".....", ".....", "#####", ".###.", "..#.."],
    ),
    "edges in millimetres": (
        {
            "ShutterShape": "RECTANGULAR",
            "ShutterUpperHorizontalEdge": 3,
            "ShutterLowerHorizontalEdge": 3,
            "ShutterLeftVerticalEdge": -2,
            "ShutterRightVerticalEdge": 2,
        },
        ["#####"] * 5,
    ),
    "together they would hide all": (
        {
            "ShutterShape": ["RECTANGULAR", "CIRCULAR"],
            "ShutterUpperHorizontalEdge": 1,
            "ShutterLowerHorizontalEdge": 1,
            "ShutterLeftVerticalEdge": 1,
            "ShutterRightVerticalEdge": 5,
            "CenterOfCircularShutter": [5, 3],
            "RadiusOfCircularShutter": 1,
        },
        ["#####", *["....."] * 4],
    ),
    "a collimator, which describes the device": (
        {
            "CollimatorShape": ["RECTANGULAR", "CIRCULAR"],
            "CollimatorUpperHorizontalEdge": 2,
            "CollimatorLowerHorizontalEdge": 4,
            "CollimatorLeftVerticalEdge": 2,
            "CollimatorRightVerticalEdge": 4,
            "CenterOfCircularCollimator": [3, 3],
            "RadiusOfCircularCollimator": 1,
        },
        ["#####"] * 5,
    ),
    "an edge is missing": ({"ShutterShape": "RECTANGULAR", "ShutterUpperHorizontalEdge": 2}, ["#####"] * 5),
    "outside the image": (
        {"ShutterShape": "CIRCULAR", "CenterOfCircularShutter": [90, 90], "RadiusOfCircularShutter": 2},
        ["#####"] * 5,
    ),
}


@pytest.mark.parametrize("name", SHUTTERS)
@pytest.mark.parametrize("interpretation", ["MONOCHROME1", "MONOCHROME2"])
def test_outside_the_shutter_is_black_and_no_collimator_hides_anything(
    name: str, interpretation: str
) -> None:
    attributes, expected = SHUTTERS[name]
    value = 0 if interpretation == "MONOCHROME1" else 255
    ds = tiny_image(np.full((5, 5), value), PhotometricInterpretation=interpretation, **attributes)
    assert ["".join(".#"[int(pixel > 0)] for pixel in row) for row in decode(ds).pixels] == expected
