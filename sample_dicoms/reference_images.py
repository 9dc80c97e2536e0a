"""Writes gateway/model/reference_images.npz: what the model sees of three chests and a hand, in 8 bits.

Run it where preprocessing has changed, and then `gateway model reference` for every model. The committed
file shows the chests as they were drawn before, with patchier lungs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gateway.model.reference import IMAGES
from gateway.training.evaluation.dataset import load_input

SAMPLES = Path(__file__).parent
NAMES = ("dx_pa_normal", "dx_pa_consolidation", "dx_pa_voi_lut", "dx_hand")


def main() -> None:
    """Write the file."""
    inputs = [load_input(SAMPLES / f"{name}.dcm")[0] for name in NAMES]
    grey = np.stack([np.rint((channel + 1) * 127.5).astype(np.uint8) for channel in inputs])
    np.savez_compressed(IMAGES, images=grey)


if __name__ == "__main__":
    main()
