"""The offset of the log-odds."""

import numpy as np

from gateway.training.calibration import choose_offset


def test_the_offset_lies_between_the_classes_of_all_sets() -> None:
    labels = np.array([0, 0, 1, 1])
    moved = np.array([-0.5, 0.3, 0.7, 2.0]), labels
    at_home = np.array([-2.0, -1.0, 0.9, 3.0]), labels
    assert choose_offset([moved, at_home]) == 0.4
    assert choose_offset([at_home]) == 0
