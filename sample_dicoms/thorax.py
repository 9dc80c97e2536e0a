"""A thorax of simple solids: path lengths in tissue, air and bone along each ray. `samples` projects it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sample_dicoms.lungs import SIDES, airways, lung_of, vessel_trees
from sample_dicoms.radiograph import Paths
from sample_dicoms.skeleton import spine_length, tubular_bones
from sample_dicoms.solids import Array, Ellipsoid, Solid, Stack, View, united_length
from sample_dicoms.tubes import Tube, tube_length


@dataclass(frozen=True)
class Thorax:
    """One synthetic thorax.

    Attributes
    ----------
    seed
        Seed of the vessels; all other anatomy is fixed.
    heart
        Scale of the heart.
    opacities
        Regions with the share, 0–1, of air replaced by fluid.
    frontal
        False for a lateral view: the arms are out of the beam, and there is no marker.
    """

    seed: int = 1
    heart: float = 1.0
    opacities: tuple[tuple[Ellipsoid, float], ...] = ()
    frontal: bool = True

    def paths(self, view: View) -> Paths:
        """Return the path lengths, mm, shape (rows, columns)."""
        body = united_length(self._body(), view)
        air = self._air(view)
        vessels = tube_length(vessel_trees(self.seed), view)
        bones = list(tubular_bones(shoulders=self.frontal))
        marrow = tube_length([bone.thinner(wall) for bone, wall in bones], view)
        bone = tube_length([bone for bone, _ in bones], view) - 0.5 * marrow + spine_length(view)
        hollow = tube_length(airways(), view) + united_length(STOMACH_GAS, view)
        return Paths(
            tissue=body - hollow, lung=np.maximum(air - vessels, 0), bone=bone, marker=self._marker(view)
        )

    def _air(self, view: View) -> Array:
        air, displacing = np.zeros((view.rows, view.columns)), self._displacing()
        for lung in map(lung_of, SIDES):
            air += united_length([lung], view) - united_length(displacing, view, within=lung)
            for region, share in self.opacities:
                air -= share * united_length([region], view, within=lung)
        return air

    def _marker(self, view: View) -> Array:
        return tube_length(MARKER, view) if self.frontal else np.zeros((view.rows, view.columns))

    def _body(self) -> list[Solid]:
        return [TORSO, NECK, *(SHOULDERS + ARMS if self.frontal else ())]

    def _displacing(self) -> list[Solid]:
        """Return the solids inside the lung outlines: heart, great vessels, mediastinum, diaphragm."""
        h = self.heart
        ventricles = Ellipsoid((20 + 6 * h, -22, 44), (66 * h, 56 * h, 48 * h), (0, 32, 0))
        base = Ellipsoid((8, -14, 84), (42 * h, 50, 44))
        right_atrium = Ellipsoid((-14, -16, 58), (31 * h, 46, 46))
        return [ventricles, base, right_atrium, *MEDIASTINUM, *DIAPHRAGM]


TORSO = Stack(
    [
        (-130, 0, 0, 158, 110),
        (-60, 0, 0, 160, 112),
        (20, 0, 0, 166, 114),
        (100, 0, 0, 172, 114),
        (170, 0, 2, 178, 106),
        (210, 0, 6, 184, 90),
        (236, 0, 10, 166, 72),
        (254, 0, 12, 118, 62),
        (268, 0, 12, 78, 58),
        (290, 0, 12, 60, 56),
        (330, 0, 12, 56, 58),
    ],
    exponent=2.3,
)
NECK = Ellipsoid((0, 15, 300), (58, 58, 90))
SHOULDERS = tuple(Ellipsoid((side * 172, 20, 200), (52, 50, 50)) for side in SIDES)
ARMS = tuple(Ellipsoid((side * 216, 20, 100), (36, 40, 140), (0, -side * 15, 0)) for side in SIDES)
MEDIASTINUM: tuple[Solid, ...] = (
    Ellipsoid((0, 0, 215), (30, 60, 95)),  # thymus, fat, vessels of the neck
    Ellipsoid((2, 10, 90), (22, 75, 150)),  # oesophagus, fat, nodes
    Ellipsoid((0, 66, 60), (26, 24, 330)),  # the spine and its muscles
    Ellipsoid((24, 20, 172), (19, 34, 17)),  # aortic arch
    Ellipsoid((20, 45, 80), (16, 15, 110)),  # descending aorta
    Ellipsoid((25, -12, 130), (18, 28, 26), (0, 15, 0)),  # pulmonary trunk
    Ellipsoid((-22, -8, 165), (13, 15, 75)),  # superior vena cava
)
DIAPHRAGM: tuple[Solid, ...] = (
    Ellipsoid((-66, -14, -92), (92, 124, 108), (10, -7, 0)),
    Ellipsoid((70, -14, -102), (88, 124, 106), (10, 7, 0)),
    Ellipsoid((0, -20, -96), (100, 100, 100)),
)
STOMACH_GAS: tuple[Solid, ...] = (
    Ellipsoid((66, -20, -34), (26, 24, 15), (0, 14, 0)),
    Ellipsoid((88, -20, -46), (17, 20, 14)),
    Ellipsoid((46, -25, -52), (16, 14, 9), (0, -20, 0)),
)
MARKER = (
    Tube([(-172, 0, 236), (-172, 0, 252)], [1.1, 1.1]),
    Tube([(-172, 0, 252), (-164, 0, 251), (-163, 0, 245), (-172, 0, 243.5)], [1.1, 1.1, 1.1, 1.1]),
    Tube([(-168, 0, 243.5), (-162, 0, 236)], [1.1, 1.1]),
)
