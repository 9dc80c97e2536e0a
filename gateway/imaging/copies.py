"""Recognises copies of one picture, whatever their compression, size, brightness and contrast.

Training leaves copies out, and `gateway commission` counts them once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

THUMBNAIL = 28  # side in pixels

ALIKE = 0.998
"""Least correlation of the thumbnails of two copies; two patients of JSRT or Hannover reach 0.963."""


def centred(thumbnails: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return thumbnails, float32 (n, side, side), as rows of mean 0 and length 1, float32 (n, side²).

    Products of rows are correlations.
    """
    rows = thumbnails.reshape(len(thumbnails), -1)
    shifted = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(shifted, axis=1, keepdims=True)
    return np.asarray(shifted / np.maximum(lengths, 1e-6), np.float32)
